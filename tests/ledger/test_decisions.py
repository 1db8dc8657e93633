"""A job may say which decision it followed: its approach and group are known then; nobody forges them."""

import json

import pytest
from calls import API, COMPLETIONS, SUCCESS, completion, job

from amp.learning.approaches import PUBLISHED


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
