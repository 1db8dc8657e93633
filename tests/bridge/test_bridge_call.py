"""The mapping over HTTP: versions, who and why; and how the bridge gets on, there and in /metrics."""

import pytest
from bridging import report_job


async def taught(client, carry, name, **outcome):
    """What a job says of a fresh decision: completed, or None when nothing."""
    await report_job(client, name, await client.decided(name), **outcome)
    await carry()
    answer = await client.get(f"/v1/profile/{name}/export")
    return answer.json()["interactions"][0] if answer.status_code == 200 else None


async def test_everybody_begins_with_the_documented_mapping(client):
    answer = await client.get("/v1/bridge")
    told = answer.json()
    assert (answer.headers["ETag"], told["version"], told["since"]) == ('"1"', 1, None)
    assert told["outcomeTypes"]["CONVERTED"] == "completed"
    assert told["executionStatuses"] == {
        "SUCCESS": "nothing",
        "FAILED": "not_completed",
        "CANCELLED": "nothing",
    }
    assert (told["iterationDecay"], told["valueWeight"]) == (0.8, 0.0)


async def test_a_change_is_in_force_for_what_is_carried_next(client, carry):
    named = {"outcomeType": "CUSTOM", "metadata": '{"amp_outcome": "renewed"}'}
    assert await taught(client, carry, "one", **named) is None
    change = {"custom": {"renewed": "completed"}, "valueWeight": 1.0, "why": "renewals count"}
    made = (await client.put("/v1/bridge", json=change)).json()
    assert (made["version"], made["why"], made["custom"]) == (2, "renewals count", {"renewed": "completed"})
    assert made["by"]
    row = await taught(client, carry, "two", outcomeValue=5, **named)
    assert (row["completed"], row["satisfaction"]) == (True, 1.0)
    assert (await client.get("/v1/bridge/versions/1")).json()["custom"] == {}
    assert (await client.get("/v1/bridge/versions/3")).status_code == 404


async def test_value_against_cost_of_the_job_moves_satisfaction(client, carry):
    await client.put("/v1/bridge", json={"valueWeight": 0.5})
    event = {"transactionId": "t", "toolId": "x", "durationMs": 1, "success": True, "costUsd": 1.0}
    body = {**event, "timestamp": "2026-01-31T12:00:02Z", "agenticJobId": "paid"}
    request_id = await client.decided("paid")
    assert (await client.post("/meter/v2/tool/events", json=body)).status_code == 201
    told = {"executionStatus": "SUCCESS", "outcomeType": "CONVERTED", "outcomeValue": 3.0}
    told |= {"metadata": f'{{"amp_request_id": "{request_id}"}}'}
    path = "/profitstream/v2/api/jobs/paid/outcome"
    assert (await client.post(path, json=told)).status_code == 200
    await carry()
    (row,) = (await client.get("/v1/profile/paid/export")).json()["interactions"]
    assert row["satisfaction"] == (1 + 0.5 * (3 - 1) / (3 + 1)) / 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"valueWeight": 2}, "valueWeight"),
        ({"outcomeTypes": {"WON": "completed"}}, "outcomeTypes"),
        ({"outcomeTypes": {"CONVERTED": "great"}}, "outcomeTypes"),
        ({"custom": {"": "completed"}}, "custom"),
    ],
)
async def test_a_bad_change_names_its_field_and_changes_nothing(client, body, field):
    answer = await client.put("/v1/bridge", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field"].startswith(field)
    assert (await client.get("/v1/bridge")).json()["version"] == 1


async def test_a_change_for_another_version_is_refused(client):
    headers = {"If-Match": '"7"'}
    answer = await client.put("/v1/bridge", json={"valueWeight": 0.5}, headers=headers)
    assert answer.status_code == 409
    bad = await client.put("/v1/bridge", json={"valueWeight": 0.5}, headers={"If-Match": "seven"})
    assert bad.status_code == 400


async def test_a_tenant_sees_its_own_mapping(client, caller):
    await client.put("/v1/bridge", json={"valueWeight": 0.5})
    other = await caller("admin", tenant="other")
    assert (await other.get("/v1/bridge")).json()["version"] == 1


async def test_the_status_tells_what_waits_and_what_came_of_the_rest(client, carry):
    empty = (await client.get("/v1/bridge/status")).json()
    assert (empty["waiting"], empty["lastLooked"], empty["lastLag"]) == (0, None, None)
    request_id = await client.decided()
    for name, kind in (("a", "CONVERTED"), ("b", "DEFLECTED"), ("c", "ESCALATED"), ("d", "CUSTOM")):
        await report_job(client, name, request_id, outcomeType=kind)
    waiting = (await client.get("/v1/bridge/status")).json()
    assert waiting["waiting"] == 4
    assert waiting["oldestAge"] >= 0
    await carry()
    told = (await client.get("/v1/bridge/status")).json()
    assert told["waiting"] == 0
    assert told["lastLooked"]
    assert 0 <= told["lastLag"] < 60
    assert told["taught"] == 1
    assert (told["contradictions"], told["nothing"], told["skipped"]) == (1, 1, 0)
    metrics = (await client.get("/metrics")).text
    assert 'amp_bridge_items_total{result="nothing"} 1' in metrics
    assert "amp_bridge_lag_seconds" in metrics


async def test_metrics_answer_without_the_store(client, outage):
    with outage():
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert "amp_bridge" not in answer.text
