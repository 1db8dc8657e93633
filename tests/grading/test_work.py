"""Work of an environment: one worker holds an item, and one that is lost goes to another."""

import anthropic
import pytest
from session_clients import ACME, opened

from amp.errors import Conflict, HeartbeatMismatch
from amp.grading import work
from amp.grading.work import Item

pytestmark = pytest.mark.cluster

S = 1_000_000


@pytest.fixture
async def worker(wire, key, environment):
    """The vendor's client with a key of a worker of the environment."""
    async with opened(wire, await key("worker", environment=environment.id)) as client:
        yield client


@pytest.fixture
def offer(app, environment):
    """Puts work of a session into the environment's queue, as the loop does."""
    queue = app._app.dependencies["work"].dependency()

    async def offering(session="sesn_1", **metadata):
        return await queue.offer(ACME, environment.id, session, metadata)

    return offering


async def test_an_empty_queue_is_null(worker, environment):
    assert await worker.beta.environments.work.poll(environment.id) is None
    assert await worker.beta.environments.work.poll(environment.id, block_ms=50) is None


async def test_an_item_from_the_queue_to_its_end(worker, environment, offer):
    calls = worker.beta.environments.work
    name = await offer("sesn_7", role="agent")
    item = await calls.poll(environment.id, block_ms=10, anthropic_worker_id="w1")
    assert (item.id, item.state, item.data.id, item.data.type) == (name, "queued", "sesn_7", "session")
    assert item.metadata == {"role": "agent"}
    assert await calls.poll(environment.id) is None
    assert (await calls.stats(environment.id)).pending == 1
    assert (await calls.ack(name, environment_id=environment.id)).state == "starting"
    beat = await calls.heartbeat(
        name, environment_id=environment.id, desired_ttl_seconds=60, expected_last_heartbeat="NO_HEARTBEAT"
    )
    assert (beat.state, beat.lease_extended, beat.ttl_seconds) == ("active", True, 60)
    second = await calls.heartbeat(
        name, environment_id=environment.id, expected_last_heartbeat=beat.last_heartbeat
    )
    assert second.last_heartbeat > beat.last_heartbeat
    with pytest.raises(anthropic.APIStatusError) as lost:
        await calls.heartbeat(name, environment_id=environment.id, expected_last_heartbeat="NO_HEARTBEAT")
    assert lost.value.status_code == 412
    assert lost.value.error_code == "heartbeat_precondition_failed"
    assert lost.value.details.current_state.last_heartbeat == second.last_heartbeat
    changed = await calls.update(name, environment_id=environment.id, metadata={"role": None, "x": "y"})
    assert changed.metadata == {"x": "y"}
    assert (await calls.stop(name, environment_id=environment.id)).state == "stopped"
    with pytest.raises(anthropic.ConflictError):
        await calls.stop(name, environment_id=environment.id)
    late = await calls.heartbeat(name, environment_id=environment.id)
    assert (late.state, late.lease_extended) == ("stopped", False)
    assert (await calls.retrieve(name, environment_id=environment.id)).stopped_at


async def test_work_is_taken_oldest_first_and_by_one_worker_each(worker, environment, offer):
    calls = worker.beta.environments.work
    names = [await offer(f"sesn_{number}") for number in range(4)]
    stats = await calls.stats(environment.id)
    assert (stats.depth, stats.pending) == (4, 0)
    assert stats.oldest_queued_at
    assert [(await calls.poll(environment.id)).id for _ in names] == names
    assert [item.id async for item in calls.list(environment.id, limit=3)] == names[::-1]


async def test_work_that_nobody_acknowledged_is_polled_again(worker, environment, offer):
    calls = worker.beta.environments.work
    name = await offer()
    assert (await calls.poll(environment.id)).id == name
    assert (await calls.poll(environment.id, reclaim_older_than_ms=0)).id == name


async def test_who_runs_the_service_asks_a_worker_to_stop(client, worker, environment, offer):
    name = await offer()
    calls = worker.beta.environments.work
    await calls.poll(environment.id)
    await calls.ack(name, environment_id=environment.id)
    await calls.heartbeat(name, environment_id=environment.id)
    asked = await client.beta.environments.work.stop(name, environment_id=environment.id)
    assert (asked.state, asked.stop_requested_at is not None) == ("stopping", True)
    beat = await calls.heartbeat(name, environment_id=environment.id, expected_last_heartbeat="whatever")
    assert (beat.state, beat.lease_extended) == ("stopping", False)
    ended = await client.beta.environments.work.stop(name, environment_id=environment.id, force=True)
    assert ended.state == "stopped"


async def test_the_vendor_s_own_poller_takes_work_and_ends_it(client, worker, environment, offer):
    names = [await offer("sesn_1"), await offer("sesn_2")]
    polling = client.beta.environments.work.poller(
        environment_id=environment.id, environment_key=worker.api_key, drain=True
    )
    assert [item.data.id async for item in polling] == ["sesn_1", "sesn_2"]
    for name in names:
        ended = await worker.beta.environments.work.retrieve(name, environment_id=environment.id)
        assert ended.state == "stopped"


class TestKeys:
    """A worker's key opens the work of its environment, and of its sessions what it needs."""

    async def test_another_environment_s_work_stays_closed(self, client, wire, key, environment, offer):
        name = await offer()
        other = await client.beta.environments.create(name="other", config={"type": "self_hosted"})
        for bound in (other.id, None):
            async with opened(wire, await key("worker", environment=bound)) as stranger:
                calls = stranger.beta.environments.work
                for call in (
                    lambda calls=calls: calls.poll(environment.id),
                    lambda calls=calls: calls.ack(name, environment_id=environment.id),
                    lambda calls=calls: calls.heartbeat(name, environment_id=environment.id),
                    lambda calls=calls: calls.stop(name, environment_id=environment.id),
                    lambda calls=calls: calls.retrieve(name, environment_id=environment.id),
                    lambda calls=calls: calls.stats(environment.id),
                ):
                    with pytest.raises(anthropic.PermissionDeniedError):
                        await call()

    async def test_not_even_all_scopes_poll_without_an_environment(self, wire, key, environment):
        async with opened(wire, await key("all")) as everything:
            with pytest.raises(anthropic.PermissionDeniedError):
                await everything.beta.environments.work.poll(environment.id)
            await everything.beta.environments.work.stats(environment.id)

    async def test_a_worker_sees_its_sessions_and_no_others(self, client, session, worker, agent):
        mine = await session()
        other = await client.beta.environments.create(name="other")
        theirs = await client.beta.sessions.create(agent=agent.id, environment_id=other.id)
        assert (await worker.beta.sessions.retrieve(mine.id)).id == mine.id
        assert [e async for e in worker.beta.sessions.events.list(mine.id)] == []
        with pytest.raises(anthropic.NotFoundError):
            await worker.beta.sessions.retrieve(theirs.id)
        with pytest.raises(anthropic.NotFoundError):
            await worker.beta.sessions.events.stream(theirs.id)
        with pytest.raises(anthropic.PermissionDeniedError):
            await worker.beta.sessions.list()

    async def test_nobody_but_a_worker_says_what_agents_and_graders_say(self, client, session, worker):
        made = await session()
        verdict = {
            "type": "span.outcome_evaluation_end",
            "result": "satisfied",
            "explanation": "I say so",
        }
        for event in (verdict, {"type": "agent.message", "content": [{"type": "text", "text": "done"}]}):
            with pytest.raises(anthropic.PermissionDeniedError):
                await client.beta.sessions.events.send(made.id, events=[event])
        with pytest.raises(anthropic.PermissionDeniedError):
            await worker.beta.sessions.events.send(made.id, events=[{"type": "user.interrupt"}])
        assert [e async for e in client.beta.sessions.events.list(made.id)] == []

    async def test_a_worker_delivers_files_of_its_sessions(self, client, session, worker):
        made = await session()
        file = await worker.post(
            "/v1/files",
            body={"scope_id": made.id},
            files=[("file", ("out.csv", b"a,b"))],
            cast_to=anthropic.types.beta.BetaFileMetadata,
            options={"headers": {"Content-Type": "multipart/form-data"}},
        )
        assert (file.scope.id, file.scope.type) == (made.id, "session")
        assert [f.id async for f in client.beta.files.list(scope_id=made.id)] == [file.id]
        assert await (await worker.beta.files.download(file.id)).read() == b"a,b"
        with pytest.raises(anthropic.PermissionDeniedError):
            await worker.beta.files.upload(file=("x", b"x"))
        await client.beta.sessions.delete(made.id)
        with pytest.raises(anthropic.NotFoundError):
            await client.beta.files.download(file.id)

    async def test_a_reader_only_reads(self, session, wire, key, environment):
        made = await session()
        async with opened(wire, await key("read")) as reader:
            assert (await reader.beta.sessions.retrieve(made.id)).id == made.id
            assert [s.id async for s in reader.beta.sessions.list()] == [made.id]
            await reader.beta.environments.work.stats(environment.id)
            for call in (
                lambda: reader.beta.sessions.events.send(made.id, events=[{"type": "user.interrupt"}]),
                lambda: reader.beta.sessions.delete(made.id),
                lambda: reader.beta.files.upload(file=("x", b"x")),
                lambda: reader.beta.environments.work.poll(environment.id),
            ):
                with pytest.raises(anthropic.PermissionDeniedError):
                    await call()


class TestRules:
    """The life of an item, without a store."""

    @pytest.fixture
    def item(self):
        return Item("work_1", "env_1", "sesn_1", 0)

    def test_an_item_is_free_until_it_is_polled_and_again_when_it_is_not_acknowledged(self, item):
        assert work.free(item, 0, 5000)
        work.polled(item, 0)
        assert not work.free(item, 5 * S - 1, 5000)
        assert work.free(item, 5 * S, 5000)

    def test_only_what_was_polled_is_acknowledged(self, item):
        with pytest.raises(Conflict):
            work.acknowledged(item, 0)
        work.polled(item, 0)
        work.acknowledged(item, 1)
        work.acknowledged(item, 2)
        assert (item.state, item.acknowledged_us) == ("starting", 1)

    def test_a_worker_whose_heartbeats_end_loses_the_item_and_finds_out(self, item):
        work.polled(item, 0)
        work.acknowledged(item, 0)
        assert work.beaten(item, 1 * S, "NO_HEARTBEAT", 10)
        last = work.beat(item, extended=True)["last_heartbeat"]
        assert not work.free(item, 11 * S - 1, 5000)
        assert work.free(item, 11 * S, 5000)
        work.polled(item, 11 * S)
        work.acknowledged(item, 11 * S)
        with pytest.raises(HeartbeatMismatch):
            work.beaten(item, 12 * S, last, 10)
        assert work.beaten(item, 12 * S, "NO_HEARTBEAT", 10)

    def test_an_item_that_nobody_begins_goes_back(self, item):
        work.polled(item, 0)
        work.acknowledged(item, 0)
        assert not work.free(item, (work.TTL_S - 1) * S, 5000)
        assert work.free(item, work.TTL_S * S, 5000)

    def test_nobody_takes_what_has_stopped(self, item):
        work.stopped(item, 0, force=False, by_worker=False)
        assert (item.state, work.free(item, 10**15, 0)) == ("stopped", False)
