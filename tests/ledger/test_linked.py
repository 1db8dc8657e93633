"""A job's entries in their chain: whoever has what the route tells can compute every link again."""

from hashlib import sha1

import pytest
from calls import TENANT, job, refused
from test_report_calls import got, metered, reported

from amp.store.ledger_keys import job_keys

pytestmark = pytest.mark.cluster


@pytest.fixture
def store(any_store):
    """In memory, then on a real server of each kind."""
    return any_store


@pytest.fixture
async def agent(caller):
    return await caller("all")


@pytest.fixture
async def worked(agent):
    """Five entries of one job, between those of others in its bucket."""
    await metered(agent, "j1", 0.5)
    await metered(agent, "j2", 0.5)
    await metered(agent, "j1", 1, tool="crm")
    await reported(agent, "j1", "SUCCESS", "CONVERTED", 30)
    assert (await agent.patch(job("j1", "outcome"), json={"outcomeValue": 3, "reason": "a slip"})).is_success
    assert (await agent.post(job("j1", "outcome", "metrics"), json=[{"key": "k", "value": 1}])).is_success
    return agent


def links(row):
    """The link, from what the row tells."""
    told = (row["previousLink"], row["hash"], row["sideData"])
    return sha1(b"".join(map(bytes.fromhex, told)), usedforsecurity=False).hexdigest()


async def test_each_link_follows_from_what_is_told_of_it(worked):
    chain = await got(worked, "/v1/ledger/jobs/j1/chain")
    kinds = ["completion", "tool-event", "outcome", "amendment", "metrics"]
    assert [row["kind"] for row in chain["links"]] == kinds
    assert chain["totalCount"] == 5
    assert all(row["holds"] and links(row) == row["link"] for row in chain["links"])
    assert chain["head"] == {"length": 5, "link": chain["links"][-1]["link"]}
    assert [row["entry"] for row in chain["links"]] == [f"{chain['bucket']}-{n}" for n in range(1, 6)]
    assert chain["links"][0]["previousLink"] == "00" * 20
    (last,) = (await got(worked, "/v1/ledger/jobs/j1/chain", page=2, size=2))["links"]
    assert last == chain["links"][-1]


async def test_an_entry_that_was_changed_is_seen_and_one_that_is_gone_is_damage(worked, store):
    stream = job_keys(TENANT, "j1").entries
    (_, (_, entry, _, side, _, link)), *rest = await store.ask("XRANGE", stream, "-", "+")
    assert b"gpt-4o" in entry
    await store.ask("DEL", stream)
    forged = [("1-0", entry.replace(b"gpt-4o", b"gpt-4x"), side, link)]
    forged += [(name, flat[1], flat[3], flat[5]) for name, flat in rest]
    for name, *of in forged:
        await store.ask("XADD", stream, name, "e", of[0], "s", of[1], "l", of[2])
    chain = await got(worked, "/v1/ledger/jobs/j1/chain")
    assert [row["holds"] for row in chain["links"]] == [False, True, True, True, True]
    await store.ask("XDEL", stream, "3-0")
    answer = await worked.get("/v1/ledger/jobs/j1/chain")
    assert answer.status_code == 503


async def test_another_tenants_job_has_no_chain(worked, caller):
    other = await caller("all", tenant="other")
    refused(await other.get("/v1/ledger/jobs/j1/chain"), 404, "not_found")


async def test_an_amendment_that_was_sent_again_is_no_conflict(agent, caller):
    """Its answer was lost: same key, reason and outcome upon the same version stand already."""
    await metered(agent, "j1", 0.5)
    await reported(agent, "j1", "SUCCESS", "CONVERTED", 30)
    sent = {"outcomeValue": 3, "reason": "a slip", "expectedEntityVersion": 1}
    for _ in range(2):
        answer = await agent.patch(job("j1", "outcome"), json=sent)
        assert (answer.status_code, answer.json()["entityVersion"]) == (200, 2)
    for other in ({"outcomeValue": 4}, {"reason": "another"}, {"expectedEntityVersion": 5}):
        answer = await agent.patch(job("j1", "outcome"), json=sent | other)
        refused(answer, 409, "version_conflict")
    somebody = await caller("ledger")
    refused(await somebody.patch(job("j1", "outcome"), json=sent), 409, "version_conflict")
    del sent["reason"]
    refused(await agent.patch(job("j1", "outcome"), json=sent), 409, "version_conflict")
    assert len((await agent.get(job("j1", "outcome", "history"))).json()) == 2
