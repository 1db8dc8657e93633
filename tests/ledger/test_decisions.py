"""A job may say which decision it followed: its approach and group are known then; nobody forges them."""

import json

import pytest
from calls import API, COMPLETIONS, SUCCESS, completion, job

from amp.learning.approaches import PUBLISHED
from amp.store.keys import bridge_box
from amp.tenancy import tenant


@pytest.fixture
async def client(caller):
    return await caller("context", "outcome", "ledger")


async def decided(client):
    """A decision's id, and what the ledger should call it."""
    answer = (await client.context()).json()
    names = [answer[each.name] for each in PUBLISHED.dimensions]
    return answer["requestId"], "/".join(names)


async def shown(client, job_id="job-1"):
    told = (await client.get(job(job_id))).json()
    return told["approach"], told["group"]


async def test_a_report_may_carry_it_in_its_metadata(client):
    request_id, approach = await decided(client)
    await client.post(f"{API}/jobs", json={"agenticJobId": "job-1"})
    metadata = json.dumps({"requestId": request_id, "ticket": 7})
    await client.post(job("job-1", "outcome"), json={**SUCCESS, "metadata": metadata})
    assert await shown(client) == (approach, "learned")
    assert (await client.get(job("job-1"))).json()["outcomeMetadata"] == metadata


async def test_a_job_or_a_record_may_carry_it_and_the_first_stays(client):
    (first, approach), (second, _) = await decided(client), await decided(client)
    await client.post(COMPLETIONS, json=completion(amp_request_id=first))
    await client.post(job("job-1", "outcome"), json={**SUCCESS, "amp_request_id": second})
    assert await shown(client) == (approach, "learned")
    await client.post(f"{API}/jobs", json={"agenticJobId": "job-2", "amp_request_id": first})
    assert await shown(client, "job-2") == (approach, "learned")


async def test_a_user_of_the_control_group_is_told_apart(serve, caller):
    client = await caller("context", "ledger", env="live", on=await serve(control_share=1.0))
    request_id, approach = await decided(client)
    await client.post(COMPLETIONS, json=completion(amp_request_id=request_id))
    assert await shown(client) == (approach, "control")


@pytest.mark.parametrize(
    "metadata", ["no json", "[]", '{"requestId": 7}', '{"requestId": "req_x"}', "[" * 9000]
)
async def test_what_is_no_decision_of_ours_is_left_alone(client, metadata):
    await client.post(f"{API}/jobs", json={"agenticJobId": "job-1"})
    answer = await client.post(job("job-1", "outcome"), json={**SUCCESS, "metadata": metadata})
    assert answer.status_code == 200
    assert await shown(client) == (None, None)


async def test_another_tenants_decision_says_nothing(client, caller):
    stranger = await caller("context", tenant="other")
    request_id, _ = await decided(stranger)
    await client.post(COMPLETIONS, json=completion(amp_request_id=request_id))
    assert await shown(client) == (None, None)


async def boxed(store):
    """What the bridge has still to hear, over all buckets: job, position and requestId."""
    found = []
    for number in range(256):
        for _, flat in await store.ask("XRANGE", bridge_box(tenant("acme", "test"), number), "-", "+"):
            of = dict(zip(flat[::2], flat[1::2], strict=True))
            found.append((of[b"j"].decode(), int(of[b"p"]), of[b"q"].decode()))
    return found


async def test_the_bridge_hears_of_outcomes_and_amendments_of_jobs_that_follow_a_decision(client, store):
    request_id, _ = await decided(client)
    await client.post(f"{API}/jobs", json={"agenticJobId": "job-1", "amp_request_id": request_id})
    await client.post(f"{API}/jobs", json={"agenticJobId": "job-2"})
    for name in ("job-1", "job-2"):
        await client.post(job(name, "outcome"), json=SUCCESS)
    assert await boxed(store) == [("job-1", 2, request_id)]
    await client.patch(job("job-1", "outcome"), json={"outcomeType": "ESCALATED", "reason": "looked again"})
    assert await boxed(store) == [("job-1", 2, request_id), ("job-1", 3, request_id)]


async def test_the_bridge_hears_of_a_decision_that_is_told_after_the_outcome(client, store):
    request_id, _ = await decided(client)
    await client.post(f"{API}/jobs", json={"agenticJobId": "job-1"})
    await client.post(job("job-1", "outcome"), json=SUCCESS)
    assert await boxed(store) == []
    await client.post(COMPLETIONS, json=completion(amp_request_id=request_id))
    assert await boxed(store) == [("job-1", 2, request_id)]
    other, _ = await decided(client)
    await client.post(COMPLETIONS, json=completion(amp_request_id=other, transactionId="another"))
    assert len(await boxed(store)) == 1
