"""AMP_ACK_REPLICAS: a 200 means that so many replicas have it, also when it is said again."""

import asyncio
import re

import pytest
from clients import Told, verdicts
from group import SECRET, Wire, group, until

from amp.errors import NotReplicated
from amp.learning.record import read_record
from amp.ledger.answers import API
from amp.observe import ACK_UNMET
from amp.settings import Settings
from amp.store import checkup
from amp.store.connection import connect, store_of
from amp.store.keyring import Keyring, pepper
from amp.store.keys import record_key
from amp.store.readiness import check
from amp.store.told import told
from amp.tenancy import tenant
from amp.terminal import dashboard

SIZE = 48  # of a row
OWNER = tenant("acme", "test")


@pytest.fixture(scope="module")
def pair():
    """A primary and two replicas."""
    with group(2) as made:
        yield made


@pytest.fixture
async def store(pair):
    """The primary, where both replicas have to acknowledge."""
    pair.primary.ask.flushall()
    opened = connect(pair.primary.url, ack_replicas=2)
    yield opened
    await opened.close()


def rows(node, user="ada"):
    """How many outcomes of this user the node has."""
    return len(read_record(node.ask.get(record_key(OWNER, user))).rows) // SIZE


def same(one, other):
    """Both have got as far."""
    offsets = [each.ask.info("replication")["master_repl_offset"] for each in (one, other)]
    return offsets[0] == offsets[1]


async def client_of(kind, app, node):
    """A client with a key that was made at the node itself."""
    store = connect(node.url)
    key, _ = await Keyring(store, pepper(SECRET)).create(
        tenant="acme", env="test", scopes=("all",), expires_ms=None
    )
    await store.close()
    return kind(app, key)


async def test_what_is_acknowledged_is_on_every_replica_at_that_moment(pair, client):
    for number in range(1, 31):
        await client.interact()
        assert [rows(each) for each in pair.replicas] == [number, number]


async def test_a_write_that_a_replica_does_not_have_is_a_503_and_its_retry_counts_once(pair, client):
    request_id, before = await client.decided(), ACK_UNMET._value.get()
    with pair.paused(pair.replicas[0]):
        unproven = await client.outcome(request_id)
        assert rows(pair.primary) == 1, "it stands all the same"
        retried = await client.outcome(request_id)
    assert [unproven.status_code, retried.status_code] == [503, 503]
    assert unproven.headers["retry-after"] == "1"
    assert "replicas" in unproven.json()["error"]["message"]
    assert ACK_UNMET._value.get() == before + 2
    replayed = await client.outcome(request_id)
    assert replayed.status_code == 200
    assert replayed.headers["idempotent-replay"] == "true"
    assert [rows(each) for each in (pair.primary, *pair.replicas)] == [1, 1, 1]


async def test_a_replay_on_a_fresh_connection_waits_as_the_first_report_did(pair, client, serve, caller):
    request_id = await client.decided()
    fresh = connect(pair.primary.url, ack_replicas=2)
    other = await caller(on=await serve(on=fresh))
    with pair.paused(pair.replicas[1]):
        assert (await client.outcome(request_id)).status_code == 503
        assert (await other.outcome(request_id)).status_code == 503
    assert (await other.outcome(request_id)).status_code == 200


async def test_reads_and_decisions_wait_for_nobody(pair, client):
    await client.interact()
    with pair.paused(*pair.replicas):
        async with asyncio.timeout(0.45):
            assert (await client.context()).status_code == 200
            assert (await client.get("/v1/profile/ada")).status_code == 200


async def test_many_at_once_share_a_wait_and_each_hears_of_its_own(pair, client):
    asked = [await client.decided(f"user{number}") for number in range(40)]
    answers = await asyncio.gather(*map(client.outcome, asked))
    assert {each.status_code for each in answers} == {200}
    for replica in pair.replicas:
        assert [rows(replica, f"user{number}") for number in range(40)] == [1] * 40


WRITES = {
    "preferences": ("put", "/v1/profile/ada", {"preferences": {"verbosity": "concise"}}),
    "policy": ("put", "/v1/policy", {"exploreFloor": 0.02}),
    "job": ("post", f"{API}/jobs", {"agenticJobId": "job-1"}),
    "tool event": (
        "post",
        "/meter/v2/tool/events",
        {"toolId": "search", "transactionId": "t1", "costUsd": 1},
    ),
    "agent": ("post", "/v1/agents", {"name": "a", "model": "script"}),
}


@pytest.mark.parametrize("name", WRITES)
async def test_every_room_waits(pair, caller, name):
    verb, path, body = WRITES[name]
    everything = await caller("all")
    with pair.paused(pair.replicas[0]):
        refused = await everything.request(verb, path, json=body)
    assert refused.status_code == 503, refused.text
    again = await everything.request(verb, path, json=body)
    assert again.is_success or again.status_code == 409, again.text


async def test_a_session_is_only_made_where_replicas_have_it(pair, caller):
    everything = await caller("all")
    agent = (await everything.post("/v1/agents", json={"name": "a", "model": "script"})).json()
    place = (await everything.post("/v1/environments", json={"name": "e"})).json()
    body = {"agent": agent["id"], "environment_id": place["id"]}
    with pair.paused(pair.replicas[0]):
        assert (await everything.post("/v1/sessions", json=body)).status_code == 503
    made = await everything.post("/v1/sessions", json=body)
    assert made.is_success, made.text
    told = {"events": [{"type": "user.message", "content": [{"type": "text", "text": "Begin."}]}]}
    with pair.paused(pair.replicas[0]):
        sent = await everything.post(f"/v1/sessions/{made.json()['id']}/events", json=told)
        assert sent.status_code == 503, sent.text


ANSWERS_OF_READS = {
    "amendment": (
        ("post", f"{API}/jobs", {"agenticJobId": "job-1"}),
        ("post", f"{API}/jobs/job-1/outcome", {"executionStatus": "SUCCESS"}),
        ("patch", f"{API}/jobs/job-1/outcome", {"executionStatus": "FAILED", "reason": "It broke."}),
    ),
    "policy": (("put", "/v1/policy", {"exploreFloor": 0.02}),),
    "bridge": (("put", "/v1/bridge", {"valueWeight": 0.25}),),
}


@pytest.mark.parametrize("name", ANSWERS_OF_READS)
async def test_what_is_said_again_and_only_read_is_proven_too(pair, caller, name):
    everything = await caller("all")
    *before, (verb, path, body) = ANSWERS_OF_READS[name]
    for earlier_verb, earlier, said in [*before, (verb, path, body)]:
        made = await everything.request(earlier_verb, earlier, json=said)
        assert made.is_success, made.text
    with pair.paused(pair.replicas[0]):
        again = await everything.request(verb, path, json=body)
    assert again.status_code == 503, again.text
    again = await everything.request(verb, path, json=body)
    assert again.status_code == 200, again.text


async def test_a_key_that_could_be_lost_is_shown_to_nobody_and_a_revocation_that_could_be_is_not_claimed(
    pair, store
):
    ring = Keyring(store, pepper(SECRET))
    made = {"tenant": "acme", "env": "test", "scopes": ("context",), "expires_ms": None}
    _, record = await ring.create(**made)
    with pair.paused(pair.replicas[0]):
        with pytest.raises(NotReplicated):
            await ring.create(**made)
        for _ in range(2):  # the second only finds that it is revoked
            with pytest.raises(NotReplicated):
                await ring.revoke(record.id)
    assert (await ring.revoke(record.id)).revoked_ms is not None


async def test_a_link_to_the_dashboard_whose_key_could_be_lost_is_shown_to_nobody(pair, store):
    settings = Settings(redis=pair.primary.url, secret=SECRET, ack_replicas=2)
    assert await dashboard.made(settings, "acme", "test")
    with pair.paused(pair.replicas[0]), pytest.raises(NotReplicated):
        await dashboard.made(settings, "acme", "test")


async def test_readiness_is_red_while_replicas_are_missing_and_says_what_to_do(pair, store):
    assert all(each.ok for each in await check(store) if each.name == "replicas")
    demanding = connect(pair.primary.url, ack_replicas=3)
    (found,) = [each for each in await check(demanding) if each.name == "replicas"]
    await demanding.close()
    assert (found.ok, found.found) == (False, "2 online, 3 must acknowledge")
    assert "Connect 1 more" in found.fix
    assert "AMP_ACK_REPLICAS=2" in found.fix


async def test_doctor_shows_how_far_a_replica_that_hangs_is_behind(pair):
    store = connect(pair.primary.url)

    async def found():
        return next(each for each in checkup.findings(await told(store), "always") if each.name == "replicas")

    with pair.paused(pair.replicas[0]):
        async with asyncio.timeout(20):
            while (late := await found()).status == "ok":  # noqa: ASYNC110  the server tells nobody
                await asyncio.sleep(0.1)
        assert late.status == "warn"
        assert re.fullmatch(r"2 connected, 0 still copying, [2-9] s behind at most", late.found)
        assert "replica's log" in late.fix
    async with asyncio.timeout(20):
        while (well := await found()).status != "ok":  # noqa: ASYNC110  as above
            await asyncio.sleep(0.1)
    assert re.fullmatch(r"2 connected, 0 still copying, [01] s behind at most", well.found)
    await store.close()


@pytest.mark.parametrize("acks", [1, 0])
async def test_a_primary_cut_off_from_its_replica_acknowledges_nothing_that_dies_with_it(client, serve, acks):
    """With 0 the same course loses acknowledged outcomes: that is what the setting is for."""
    with group() as made:
        wire = Wire(made.primary.port)
        replica = made.follow(await wire.open())
        await asyncio.to_thread(made.settled)
        settings = Settings(redis=made.primary.url, ack_replicas=acks, secret=SECRET)
        app = await serve(on=store_of(settings), secret=SECRET, ack_replicas=acks)
        kind, client = type(client), await client_of(type(client), app, made.primary)
        told = Told()
        for number in range(14):
            if number == 10:
                await asyncio.to_thread(until, lambda: same(made.primary, replica), "in step")
                wire.cut()
            answer = await client.outcome(await client.decided(), metadata={"number": number})
            side = told.acknowledged if answer.status_code == 200 else told.unknown
            side.setdefault("ada", set()).add(number)
        assert rows(made.primary) == 14
        made.primary.kill()
        replica.ask.execute_command("REPLICAOF", "NO", "ONE")
        app = await serve(on=connect(replica.url), secret=SECRET)
        survivor = await client_of(kind, app, replica)
        export = (await survivor.get("/v1/profile/ada/export")).json()
        found = {"ada": [each["metadata"]["number"] for each in export["interactions"]]}
        wrong = verdicts(told, found, {"ada": export["profile"]["totalInteractions"]})
        assert len(told.acknowledged["ada"]) == (10 if acks else 14)
        assert wrong == ([] if acks else [f"ada: {number} is lost" for number in range(10, 14)])
