"""A session cannot grow without bound, and one that is deleted leaves nothing behind."""

import itertools

import anthropic
import pytest
from loops import ACME, MemoryFolder, Room, outcome, plan, shorts
from session_clients import opened

from amp.errors import StoreUnavailable
from amp.grading import allowed, files, shelf_store, store, tools
from amp.grading.lanes import Lanes
from amp.grading.rubric import GAP_LENGTH_MAX, Judged, merged
from amp.grading.shelf_store import ShelfStore
from amp.grading.types import Criterion
from amp.grading.work_service import Work
from amp.store.functions import Functions

INTERRUPT = {"type": "user.interrupt"}
TEXT = {"type": "text", "text": "x" * 2000}
LONG = {"type": "user.message", "content": [TEXT]}


async def deliver(worker, session, name, size):
    """A file of the session, as its worker uploads it."""
    return await worker.post(
        "/v1/files",
        body={"scope_id": session},
        files=[("file", (name, b"x" * size))],
        options={"headers": {"Content-Type": "multipart/form-data"}},
        cast_to=object,
    )


async def naming(store, name):
    """Every key that names this, or holds it."""
    reads = {
        b"hash": ("HGETALL",),
        b"string": ("GET",),
        b"set": ("SMEMBERS",),
        b"zset": ("ZRANGE", 0, -1),
        b"stream": ("XRANGE", "-", "+"),
        b"list": ("LRANGE", 0, -1),
    }
    found = []
    for key in await store.ask("KEYS", "*"):
        verb, *rest = reads[await store.ask("TYPE", key)]
        if name in f"{key} {await store.ask(verb, key, *rest)}":
            found.append(key)
    return found


async def until_refused(call, most=40):
    for _ in range(most):
        await call()


@pytest.fixture
def small(monkeypatch):
    """Limits that a test can reach."""
    monkeypatch.setattr(allowed, "SESSION_BYTES_MAX", 8000)
    monkeypatch.setattr(files, "FILES_MAX", 3)
    monkeypatch.setattr(files, "FOLDER_BYTES_MAX", 5000)


async def test_events_have_a_size_and_what_runs_may_still_be_interrupted(client, session, small):
    made = await session(initial_events=[outcome()])
    with pytest.raises(anthropic.BadRequestError, match="MiB together"):
        await until_refused(lambda: client.beta.sessions.events.send(made.id, events=[LONG]))
    listed = [each async for each in client.beta.sessions.events.list(made.id)]
    assert 2 < len(listed) < 8
    (echo,) = (await client.beta.sessions.events.send(made.id, events=[INTERRUPT])).data
    assert echo.processed_at
    await client.beta.sessions.delete(made.id)


async def test_changes_of_a_session_count_too(client, session, small):
    made = await session()
    numbers = itertools.count()
    with pytest.raises(anthropic.BadRequestError, match="MiB together"):
        await until_refused(
            lambda: client.beta.sessions.update(made.id, metadata={"a": f"{next(numbers)}{'x' * 500}"})
        )


async def test_outcomes_have_a_number(client, session, monkeypatch):
    monkeypatch.setattr("amp.grading.receiving.OUTCOMES_MAX", 2)
    made = await session()
    for _ in range(2):
        await client.beta.sessions.events.send(made.id, events=[outcome(), INTERRUPT])
    with pytest.raises(anthropic.BadRequestError, match="at most 2 outcomes"):
        await client.beta.sessions.events.send(made.id, events=[outcome()])


async def test_an_agent_of_a_full_session_begins_nothing_more(sessions, monkeypatch):
    monkeypatch.setattr(allowed, "SESSION_BYTES_MAX", 100)
    room = Room(sessions)
    name = await room.made(outcome(), metadata=plan({"v": ["satisfied"]}))
    assert await room.course(name).run() == "rest"
    events = await room.events(name)
    assert shorts(events)[-3:] == ["session.error:exhausted", "end#0=failed", "idle:retries_exhausted"]
    assert "the session is full" in events[-2]["error"]
    await room.client.aclose()


async def test_a_loop_counts_the_bytes_that_the_store_counts(sessions):
    room = Room(sessions)
    name = await room.made(outcome(iterations=2), metadata=plan({"v": ["needs_revision"]}))
    course = room.course(name)
    assert await course.run() == "rest"
    standing = await sessions.load(ACME, name)
    written = sum(len(each.raw) for each in await sessions.events(ACME, name))
    assert written < standing.bytes < written + 1000, "and the definition"
    assert course.session.bytes == standing.bytes
    await room.client.aclose()


async def test_files_of_a_session_have_a_number_and_a_size(  # noqa: PLR0917  both ends of the wire
    client, session, environment, wire, key, small
):
    made = await session()
    async with opened(wire, await key("worker", environment=environment.id)) as worker:
        for name in ("a", "b", "c", "c"):  # the second of the same name takes the place of the first
            await deliver(worker, made.id, name, 1000)
        with pytest.raises(anthropic.APIStatusError, match="at most 3") as refused:
            await deliver(worker, made.id, "d", 1)
        assert refused.value.status_code == 413
        with pytest.raises(anthropic.APIStatusError, match="at most 5000 bytes"):
            await deliver(worker, made.id, "a", 4000)


async def test_a_model_s_tools_keep_to_the_size_of_the_folder(monkeypatch):
    monkeypatch.setattr(tools, "FOLDER_BYTES_MAX", 10)
    folder = MemoryFolder()
    assert not (await tools.use(folder, "write_file", {"path": "a", "content": "12345678"})).is_error
    assert (await tools.use(folder, "write_file", {"path": "b", "content": "123"})).is_error
    assert not (await tools.use(folder, "write_file", {"path": "a", "content": "1234567890"})).is_error


def test_a_judge_s_words_are_cut():
    passed, gaps = {1: False}, {1: "x" * 100_000}
    verdict = merged([Criterion(1, "One")], {}, Judged("needs_revision", "y" * 100_000, passed, gaps))
    assert len(verdict.marks[0].gap) == GAP_LENGTH_MAX
    assert len(verdict.explanation) == 65_536


async def test_what_is_deleted_leaves_no_key_and_no_file(  # noqa: PLR0917  all that a session has
    client, session, environment, wire, key, real_store, tmp_path
):
    """Events, outcomes, work that a worker took, files, wake-ups: all that names the session is gone."""
    agent = await client.beta.agents.create(name="remote", model="worker")
    made = await client.beta.sessions.create(
        agent=agent.id, environment_id=environment.id, initial_events=[outcome(), LONG]
    )
    other = await session(title="stays")
    app_files = tmp_path / "files"
    async with opened(wire, await key("worker", environment=environment.id)) as worker:
        await deliver(worker, made.id, "report.md", 10)
        work = Work(ShelfStore(real_store, Functions(real_store, [shelf_store.LIBRARY])))
        for number in range(3):
            await work.offer(ACME, environment.id, made.id, {}, name=f"work_{number}")
        taken = await worker.beta.environments.work.poll(environment.id)
        await worker.beta.environments.work.ack(taken.id, environment_id=environment.id)
        assert len([each async for each in client.beta.environments.work.list(environment.id)]) == 3
    lanes = Lanes(real_store)
    await lanes.open()
    wakes = await lanes.take("loop", 10)
    await lanes.done(wakes)
    assert len(list(app_files.rglob("file_*"))) == 1
    await client.beta.sessions.events.send(made.id, events=[INTERRUPT])
    assert await naming(real_store, made.id) != []
    await client.beta.sessions.delete(made.id)
    assert list(app_files.rglob("file_*")) == []
    left = await naming(real_store, made.id)
    for name in left:  # the last event, for who follows; and what a request that comes again would find
        assert 0 < await real_store.ask("TTL", name) <= store.ONCE_S, name
        await real_store.ask("DEL", name)
    assert len(left) <= 3
    assert await naming(real_store, made.id) == []
    assert [each async for each in client.beta.environments.work.list(environment.id)] == []
    assert await naming(real_store, other.id) != []
    with pytest.raises(anthropic.NotFoundError):
        await client.beta.sessions.delete(made.id)


async def test_what_a_deletion_that_was_cut_off_left_goes_with_the_next(  # noqa: PLR0917  both ends of the wire
    client, session, environment, wire, key, monkeypatch, tmp_path
):
    made = await session()
    async with opened(wire, await key("worker", environment=environment.id)) as worker:
        await deliver(worker, made.id, "report.md", 10)
    with monkeypatch.context() as patch:

        async def cut_off(self, tenant, name):
            raise StoreUnavailable

        patch.setattr(files.Files, "delete_of", cut_off)
        with pytest.raises(anthropic.InternalServerError):
            await client.beta.sessions.delete(made.id)
    assert len(list((tmp_path / "files").rglob("file_*"))) == 1
    with pytest.raises(anthropic.NotFoundError):
        await client.beta.sessions.delete(made.id)
    assert list((tmp_path / "files").rglob("file_*")) == []
