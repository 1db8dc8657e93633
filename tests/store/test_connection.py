"""A lost reply is never guessed, never repeated, and never given to somebody else."""

import asyncio
import random
from time import perf_counter

import hiredis
import pytest
from redis.asyncio import Redis
from waiting import until

from amp.errors import StoreUnavailable
from amp.store import line
from amp.store.connection import Store, connect, pool


def library(url):
    """The store by way of the library's own pool."""
    return Store(Redis.from_pool(pool(url, timeout_s=0.2)))


def patient(url):
    """The same, on a machine that has more to do."""
    return Store(Redis.from_pool(pool(url)))


@pytest.fixture(params=[connect, library], ids=["line", "library"])
def opened(request, monkeypatch):
    """Opens stores both ways; they give up after 0.2 s."""
    monkeypatch.setattr(line, "TIMEOUT_S", 0.2)
    return request.param


class Peer(asyncio.Protocol):
    """A server that greets politely and treats every INCR as it is told to."""

    def __init__(self, home):
        self.home = home
        self.reader = hiredis.Reader()

    def connection_made(self, transport):
        self.transport = transport
        self.home.dials += 1
        self.home.open.add(self)

    def connection_lost(self, _):
        self.home.open.discard(self)

    def data_received(self, data):
        self.home.heard += 1
        self.reader.feed(data)
        while (command := self.reader.gets()) is not False:
            if command[0].upper() != b"INCR":
                self.transport.write(b"" if self.home.mute else b"+OK\r\n")
                continue
            self.home.effects += 1
            self.home.answer(self.transport)


class Home:
    """Where the peer lives: what it answers, and how often it did something."""

    def __init__(self):
        self.effects = 0
        self.mute = False
        self.dials = 0
        self.heard = 0
        self.open = set()
        self.answer = lambda transport: transport.write(b":%d\r\n" % self.effects)


@pytest.fixture
async def home():
    loop = asyncio.get_running_loop()
    home = Home()
    server = await loop.create_server(lambda: Peer(home), "127.0.0.1", 0)
    home.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    yield home
    server.close()
    for peer in list(home.open):
        peer.transport.abort()


@pytest.fixture
async def store(home, opened):
    """A store at that home."""
    store = opened(home.url)
    yield store
    await store.close()


async def test_replies_come_in_order_and_errors_stay_with_their_command(real_url, opened):
    store = opened(real_url)
    first, error, last = await store.ask_each([("ECHO", "1"), ("NONSENSE",), ("ECHO", "2")])
    assert (first, last) == (b"1", b"2")
    assert "unknown command" in str(error)
    with pytest.raises(StoreUnavailable):
        await store.ask_all([("ECHO", "1"), ("NONSENSE",)])
    await store.close()


@pytest.mark.parametrize("opened", [connect, patient], ids=["line", "library"])
async def test_cancelled_calls_never_leave_their_answers_for_others(real_url, opened):
    store, chance = opened(real_url), random.Random(4)
    await store.ask("PING")

    async def echo(number):
        words = [f"{number} {part}" for part in range(1 + number % 3)]
        assert await store.ask_all([("ECHO", word) for word in words]) == [word.encode() for word in words]
        return number

    for _ in range(5):
        tasks = [asyncio.create_task(echo(number)) for number in range(60)]
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        dropped = set(chance.sample(range(60), 30))
        for number in dropped:
            tasks[number].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [answers[number] for number in range(60) if number not in dropped] == [
            number for number in range(60) if number not in dropped
        ]
    assert await echo(7) == 7
    await store.close()


async def test_a_reply_that_is_cut_off_is_one_effect_and_one_refusal(home, store):
    home.answer = lambda transport: transport.abort()
    for calls in (1, 2, 3):
        with pytest.raises(StoreUnavailable):
            await store.ask("INCR", "x")
        assert home.effects == calls


async def test_half_a_reply_is_no_reply(home, store):
    def half(transport):
        transport.write(b"$100\r\nhalf")
        transport.close()

    home.answer = half
    with pytest.raises(StoreUnavailable):
        await store.ask("INCR", "x")
    assert home.effects == 1


async def test_the_next_call_after_a_lost_line_is_answered(home, store):
    answer, home.answer = home.answer, lambda transport: transport.abort()
    with pytest.raises(StoreUnavailable):
        await store.ask("INCR", "x")
    home.answer = answer
    assert await store.ask("INCR", "x") == 2


async def test_a_store_that_hangs_is_given_up_on_and_no_late_answer_is_taken_for_another(home, store):
    answer = home.answer
    home.answer = lambda _: None
    with pytest.raises(StoreUnavailable):
        await store.ask("INCR", "x")
    home.answer = answer
    assert await store.ask("INCR", "x") == 2, "not 1, which comes too late"


async def test_nobody_at_home_is_a_refusal(opened, unused_port):
    store = opened(f"redis://127.0.0.1:{unused_port}/0")
    with pytest.raises(StoreUnavailable):
        await store.ask("PING")
    await store.close()


async def test_a_server_that_talks_nonsense_is_a_refusal(home, store):
    home.answer = lambda transport: transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(StoreUnavailable):
        await store.ask("INCR", "x")


async def test_no_commands_are_answered_with_no_replies_and_disturb_nobody(home, store):
    assert await store.ask_all([]) == []
    assert await store.ask("INCR", "x") == 1


async def test_a_store_closed_before_the_greeting_leaves_no_open_connection_behind(home):
    store, home.mute = connect(home.url), True
    calling = asyncio.create_task(store.ask("INCR", "x"))
    await until(lambda: home.heard)
    await store.close()
    with pytest.raises(StoreUnavailable):
        await calling
    await until(lambda: not home.open)
    home.mute = False
    assert await store.ask("INCR", "x") == 1
    await store.close()


async def test_who_leaves_while_the_store_is_dialled_takes_nothing_from_those_who_stay(home):
    store, home.mute = connect(home.url), True
    calls = [asyncio.create_task(store.ask("INCR", "x")) for _ in range(3)]
    await until(lambda: home.heard)
    calls[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await calls[0]
    for peer in home.open:
        peer.transport.write(b"+OK\r\n")
    assert sorted(await asyncio.gather(*calls[1:])) == [1, 2]
    assert home.dials == 1
    await store.close()


async def test_all_who_wait_for_a_silent_store_are_refused_by_one_dial(home, monkeypatch):
    monkeypatch.setattr(line, "TIMEOUT_S", 0.2)
    store, home.mute = connect(home.url), True
    began = perf_counter()
    refused = await asyncio.gather(*(store.ask("INCR", "x") for _ in range(10)), return_exceptions=True)
    assert perf_counter() - began < 0.4, "not one after the other"
    assert all(isinstance(each, StoreUnavailable) for each in refused)
    assert len(set(map(id, refused))) == 10, "an error of one's own, with a traceback of one's own"
    assert home.dials == 1
    assert "no answer within 0.2 s" in str(refused[0].__cause__)
    await store.close()


async def test_a_slow_dial_leaves_less_time_for_the_call(home, monkeypatch):
    monkeypatch.setattr(line, "ANSWER_WITHIN_S", 0.05)
    store, home.answer = connect(home.url), lambda _: None
    began = perf_counter()
    with pytest.raises(StoreUnavailable):
        await store.ask("INCR", "x")
    assert perf_counter() - began < 0.5, "not the whole second that a call on an open line has"
    await store.close()


@pytest.fixture
def unused_port(home):
    """A port that was somebody's and is nobody's."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
