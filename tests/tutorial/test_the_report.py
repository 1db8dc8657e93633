"""Reports count once, whatever the network does to them."""

import pytest

pytestmark = pytest.mark.cluster


async def total(client, user="ada"):
    return (await client.get(f"/v1/profile/{user}")).json()["totalInteractions"]


async def test_a_retry_is_a_replay(client):
    """Sending the same report again is a success without a second effect: a retry is never an error."""
    request_id = await client.decided()
    first = await client.outcome(request_id, completed=True)
    again = await client.outcome(request_id, completed=True)

    assert first.json() == again.json()
    assert "Idempotent-Replay" not in first.headers
    assert again.headers["Idempotent-Replay"] == "true"
    assert await total(client) == 1


async def test_a_different_second_report_is_a_conflict(client):
    """Who changes their story is refused, and the first story stands."""
    request_id = await client.decided()
    await client.outcome(request_id, completed=True)
    refused = await client.outcome(request_id, completed=False)

    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "OUTCOME_ALREADY_REPORTED"
    assert (await client.get("/v1/profile/ada")).json()["completionRate"] == 1


async def test_a_report_may_come_in_stages(client):
    """`final: false` says how it is going; what is said later replaces it and counts once."""
    request_id = await client.decided()
    await client.outcome(request_id, final=False, step=1)
    await client.outcome(request_id, final=False, step=2, completed=False)
    await client.outcome(request_id, completed=True)

    profile = (await client.get("/v1/profile/ada")).json()
    assert (profile["totalInteractions"], profile["completionRate"]) == (1, 1)


async def test_a_stage_that_comes_late_changes_nothing(client):
    """The order of arrival does not matter: the last stage wins, even when it comes first."""
    request_id = await client.decided()
    await client.outcome(request_id, completed=True)
    late = await client.outcome(request_id, final=False, step=1)

    assert late.headers["Idempotent-Replay"] == "true"
    assert (await client.get("/v1/profile/ada")).json()["completionRate"] == 1


async def test_a_refused_report_does_not_use_up_its_request(client):
    """After a mistake in a report, the corrected one is taken."""
    request_id = await client.decided()
    assert (await client.outcome(request_id, satisfaction=7)).status_code == 400
    assert (await client.outcome(request_id, satisfaction=0.7)).status_code == 200


async def test_a_request_id_opens_for_its_own_tenant_alone(client, caller):
    """Another tenant's id is as unknown as a made-up one, and so are live ids to a test key."""
    request_id = await client.decided()
    for stranger in (await caller(tenant="other"), await caller(env="live")):
        foreign = await stranger.outcome(request_id)
        made_up = await stranger.outcome("req_made_up")
        assert foreign.status_code == made_up.status_code == 404
        assert foreign.json()["error"]["message"] == made_up.json()["error"]["message"]


async def test_an_outcome_window_closes(serve, caller):
    """A report that comes after the window is refused for good."""
    client = await caller(on=await serve(outcome_window_ms=1))
    request_id = await client.decided()
    answer = await client.outcome(request_id)
    while answer.status_code == 200:  # within the same millisecond
        request_id = await client.decided()
        answer = await client.outcome(request_id)
    assert answer.status_code == 410
    assert answer.json()["error"]["code"] == "REQUEST_EXPIRED"


async def test_without_the_store_the_agent_goes_on(client, outage):
    """A context comes from the population alone, an outcome is asked to come again; nothing is lost."""
    request_id = await client.decided()
    with outage():
        degraded = await client.context()
        refused = await client.outcome(request_id, completed=True)
    assert degraded.json()["metadata"]["degraded"] is True
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")

    for each in (request_id, degraded.json()["requestId"]):
        assert "Idempotent-Replay" not in (await client.outcome(each, completed=True)).headers
    assert await total(client) == 2
