"""The URL of sentinels, what they are asked, and what becomes of their answers."""

import asyncio

import hiredis
import pytest

from amp import parse
from amp.errors import StoreUnavailable
from amp.store.connection import connect
from amp.store.sentinel import Sentinels


def test_a_url_names_sentinels_service_database_and_both_passwords():
    found = parse.sentinel_url(
        "rediss+sentinel://ada:p%40ss@one:1,[::1]:2,three/main/3?sentinel_password=s&sentinel_username=u"
    )
    assert found.hosts == (("one", 1), ("::1", 2), ("three", 26379))
    assert (found.service, found.db, found.tls) == ("main", 3, True)
    assert (found.username, found.password) == ("ada", "p@ss")
    assert (found.sentinel_username, found.sentinel_password) == ("u", "s")


def test_what_is_left_out_has_its_default():
    found = parse.sentinel_url("redis+sentinel://one/main")
    assert found == ((("one", 26379),), "main", 0, None, None, None, None, False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis+sentinel://one:1", "must name the service"),
        ("redis+sentinel://one:1/", "must name the service"),
        ("redis+sentinel://one:1/main/x", "number of a database"),
        ("redis+sentinel:///main", "HOST:PORT"),
        ("redis+sentinel://one:1,,two/main", "HOST:PORT"),
        ("redis+sentinel://one:99999/main", "HOST:PORT"),
        ("redis+sentinel://one:1/main?password=x", "sentinel_password"),
    ],
)
def test_a_url_that_cannot_be_meant_says_what_is_allowed(url, said):
    with pytest.raises(ValueError, match=said):
        parse.store_url(url)


def test_no_password_of_a_url_is_printed():
    shown = parse.without_password("redis+sentinel://ada:one@h:1/main?sentinel_password=two")
    assert "one" not in shown
    assert "two" not in shown
    assert "h:1/main" in shown


class Told(asyncio.Protocol):
    """A server that answers each command as it is told to."""

    def __init__(self, answers, heard):
        self.answers = answers
        self.heard = heard
        self.reader = hiredis.Reader()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.reader.feed(data)
        while (command := self.reader.gets()) is not False:
            self.heard.append(command)
            self.transport.write(self.answers(command))


@pytest.fixture
async def told():
    """`port, heard = await told(answers)`: a server that answers with what `answers(command)` says."""
    servers = []

    async def start(answers):
        heard = []
        server = await asyncio.get_running_loop().create_server(lambda: Told(answers, heard), "127.0.0.1", 0)
        servers.append(server)
        return server.sockets[0].getsockname()[1], heard

    yield start
    for server in servers:
        server.close()


def named(port):
    return b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(port)), port)


def role(command, name):
    return b"*1\r\n$%d\r\n%s\r\n" % (len(name), name) if command[0] == b"ROLE" else b"+OK\r\n"


def at(*ports, words=""):
    return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in ports)}/main{words}"


async def test_the_first_sentinel_that_names_the_master_is_believed_and_asked_first_from_then_on(
    told, unused_tcp_port
):
    knows, heard = await told(lambda _: named(6400))
    ignorant, _ = await told(lambda _: b"*-1\r\n")
    refuses, _ = await told(lambda _: b"-NOAUTH Authentication required.\r\n")
    sentinels = Sentinels(parse.sentinel_url(at(unused_tcp_port, ignorant, refuses, knows)))
    assert await sentinels.master() == ("127.0.0.1", 6400)
    assert heard == [[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", b"main"]]
    await sentinels.master()
    assert len(heard) == 2
    assert sentinels._hosts[0] == ("127.0.0.1", knows)


async def test_sentinels_have_a_password_of_their_own(told):
    port, heard = await told(lambda command: b"+OK\r\n" if command[0] == b"AUTH" else named(6400))
    await Sentinels(parse.sentinel_url(at(port, words="?sentinel_password=s3"))).master()
    assert heard[0] == [b"AUTH", b"default", b"s3"]


async def test_when_none_tells_each_is_named_with_its_reason(told):
    ignorant, _ = await told(lambda _: b"*-1\r\n")
    silent, _ = await told(lambda _: b"")
    store = connect(at(ignorant, silent))
    with pytest.raises(StoreUnavailable) as refused:
        await store.ask("PING")
    words = str(refused.value.__cause__)
    assert f"{ignorant}: knows no service 'main'" in words
    assert f"{silent} does not answer" in words
    await store.close()


async def test_who_is_named_and_is_no_master_gets_no_command_and_the_next_dial_asks_again(told):
    roles = [b"slave", b"master"]
    port, heard = await told(lambda command: role(command, roles[0]))
    watch, asked = await told(lambda _: named(port))
    store = connect(at(watch))
    with pytest.raises(StoreUnavailable):
        await store.ask("SET", b"{a}", b"1")
    assert [b"SET", b"{a}", b"1"] not in heard
    roles.pop(0)
    assert await store.ask("SET", b"{a}", b"1") == b"OK"
    assert len(asked) == 2
    await store.close()


async def test_a_master_that_was_demoted_is_left_at_its_first_refusal(told):
    demoted, master = b"-READONLY You can't write against a read only replica.\r\n", b"*1\r\n$6\r\nmaster\r\n"
    answers = {b"ROLE": master, b"SET": demoted}
    old, _ = await told(lambda command: answers.get(command[0], b"+OK\r\n"))
    new, heard = await told(lambda command: role(command, b"master"))
    places = [old, new]
    watch, _ = await told(lambda _: named(places.pop(0)))
    store = connect(at(watch))
    with pytest.raises(StoreUnavailable):
        await store.ask("SET", b"{a}", b"1")
    assert await store.ask("SET", b"{a}", b"1") == b"OK"
    assert heard[-1] == [b"SET", b"{a}", b"1"]
    await store.close()
