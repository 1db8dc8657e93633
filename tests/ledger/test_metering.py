"""What is used is metered once, makes its job, and costs what its sender said."""

import json

import pytest
from calls import COMPLETIONS, TENANT, TOOL_EVENTS, completion, everything, job, refused, tool_event

from amp.ledger.entries import TAGS, unpack
from amp.ledger.job import read_job
from amp.ledger.side import read_side
from amp.store.ledger_keys import job_keys


async def meter(client, path=COMPLETIONS, *, key=None, **fields):
    body = completion(**fields) if path == COMPLETIONS else tool_event(**fields)
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post(path, json=body, headers=headers)


async def job_of(facts, job_id="job-1"):
    (found,) = await facts.jobs(TENANT, [job_id])
    return read_job(job_id, found)


async def test_the_first_record_makes_the_job_and_what_it_says_first_stays(client, facts):
    said = {"agenticJobType": "Sales", "agenticJobName": "Outreach", "environment": "production"}
    assert (await meter(client, agent="sdr", **said)).status_code == 201
    await meter(client, TOOL_EVENTS, agenticJobType="support", agent="other", agenticJobVersion="3")
    told = (await client.get(job("job-1"))).json()
    assert (told["type"], told["name"], told["version"], told["agent"]) == ("sales", "Outreach", "3", "sdr")
    assert (told["source"], told["environment"]) == ("TELEMETRY", "production")
    assert (told["firstEventAt"], told["lastEventAt"]) == (
        "2026-01-31T12:00:00.000Z",
        "2026-01-31T12:00:02.000Z",
    )
    found = await job_of(facts)
    assert found.state.cost_nanos == {("model", "USD"): 35_500_000, ("tool", "USD"): 1_000_000_000}
    assert (found.state.completions, found.state.tool_events, found.state.total_tokens) == (1, 1, 945)


@pytest.mark.parametrize("before", [2**53 - 5, 2**53 - 1, 2**53 + 1, 2**60 + 1])
async def test_a_sum_that_a_binary_float_does_not_hold_is_exact_all_the_same(client, facts, store, before):
    await meter(client, totalCost=4)
    await store.ask("HSET", job_keys(TENANT, "job-1").job, "M:USD", before)
    for transaction in ("t-2", "t-3"):
        assert (await meter(client, transactionId=transaction, totalCost=4)).status_code == 201
    state = (await job_of(facts)).state
    assert state.cost_nanos == {("model", "USD"): (before + 8) * 10**9}
    assert state.completions == 3


async def test_what_a_later_entry_need_not_say_again_is_not_stored_again(client, facts):
    for number in range(3):
        await meter(client, transactionId=f"t-{number}", agenticJobType="sales", environment="production")
    entries = [unpack(each.entry) for _, each in await everything(facts)]
    assert [each.type for each in entries] == ["sales", None, None]
    assert (await client.get(job("job-1"))).json()["type"] == "sales"


async def test_a_worker_that_wrongly_thinks_a_job_known_learns_better(client, facts, store):
    """As after a store was emptied under it: the next record but one says it again."""
    await meter(client, agenticJobType="sales")
    await store.ask("FLUSHALL")
    client.headers["Authorization"] += ""  # the keys are gone too; the worker still holds them
    for number in range(2):
        await meter(client, transactionId=f"u-{number}", agenticJobType="sales")
    assert (await job_of(facts)).type == "sales"


@pytest.mark.parametrize(
    ("fields", "nanos"),
    [
        ({"totalCost": 0.0014}, 1_400_000),
        ({"totalCost": 0}, 0),
        ({"totalCost": 0.0014, "inputTokenCost": 9}, 1_400_000),
        ({"totalCost": None, "inputTokenCost": 0.1, "outputTokenCost": 0.2}, 300_000_000),
        ({"totalCost": None}, None),
        ({"totalCost": 5, "billingSkipped": True}, 0),
        ({"totalCost": 0.1, "costMultiplier": 1.5}, 150_000_000),
        ({"totalCost": None, "costMultiplier": 1.5}, None),
    ],
)
async def test_a_completion_costs_what_its_sender_said_and_else_nobody_knows(client, facts, fields, nanos):
    """What nobody knows is not 0."""
    await meter(client, **fields)
    ((_, stored),) = await everything(facts)
    assert unpack(stored.entry).cost_nanos == nanos
    state = (await job_of(facts)).state
    assert state.cost_nanos == ({} if nanos is None else {("model", "USD"): nanos})
    assert state.unpriced_completions == (nanos is None)


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({"costUsd": 1.0}, {("tool", "USD"): 10**9}),
        ({"toolId": "human_escalation", "costUsd": 2.0}, {("human", "USD"): 2 * 10**9}),
        ({"costUsd": 2.0, "currency": "EUR"}, {("tool", "EUR"): 2 * 10**9}),
        ({"costUsd": None}, {}),
    ],
)
async def test_a_tools_use_is_a_tools_or_a_persons_cost(client, facts, fields, cost):
    await meter(client, TOOL_EVENTS, **fields)
    state = (await job_of(facts)).state
    assert state.cost_nanos == cost
    assert state.unpriced_tool_events == (not cost)


@pytest.mark.parametrize("path", [TOOL_EVENTS, "/meter/meter/v2/tool/events"])
async def test_tool_events_are_taken_where_the_client_sends_them(client, path):
    assert (await client.post(path, json=tool_event(usageMetadata={"records": 3}))).status_code == 201


@pytest.mark.parametrize("path", [COMPLETIONS, TOOL_EVENTS])
class TestOnce:
    async def test_the_same_key_and_body_have_the_same_answer(self, client, facts, path):
        first = await meter(client, path, key="k")
        again = await meter(client, path, key="k")
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert (first.headers.get("Idempotent-Replay"), again.headers["Idempotent-Replay"]) == (None, "true")
        assert len(await everything(facts)) == 1

    async def test_the_same_key_with_another_body_is_a_mismatch(self, client, facts, path):
        await meter(client, path, key="k")
        answer = await meter(client, path, key="k", transactionId="another")
        refused(answer, 409, "idempotency_key_mismatch")
        assert len(await everything(facts)) == 1

    async def test_the_same_transaction_counts_once_whatever_its_key(self, client, facts, path):
        first = await meter(client, path, key="k")
        assert (await meter(client, path, key="other")).content == first.content
        assert (await meter(client, path)).content == first.content
        assert len(await everything(facts)) == 1

    async def test_a_record_without_an_id_counts_once_a_key_and_else_each_time(self, client, facts, path):
        for key in ("k", "k", "l", None, None):
            assert (await meter(client, path, key=key, transactionId=None)).status_code == 201
        assert len(await everything(facts)) == 4

    async def test_a_record_without_a_job_counts_once_too(self, client, facts, path):
        first = await meter(client, path, key="k", agenticJobId=None)
        assert (await meter(client, path, key="k", agenticJobId=None)).content == first.content
        ((_, stored),) = await everything(facts)
        assert unpack(stored.entry).job == ""
        assert read_side(stored.side) == (0, {}, 0)

    @pytest.mark.parametrize("unfit", ["x" * 256, "a\tb", "ü"])
    async def test_what_can_be_no_key_is_refused(self, client, path, unfit):
        body = completion() if path == COMPLETIONS else tool_event()
        answer = await client.post(path, json=body, headers={"Idempotency-Key": unfit.encode("latin-1")})
        refused(answer, 400, "invalid_parameter", "Idempotency-Key")


async def test_a_completion_and_a_tools_use_may_have_the_same_transaction(client, facts):
    await meter(client, transactionId="same")
    await meter(client, TOOL_EVENTS, transactionId="same")
    assert len(await everything(facts)) == 2


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        (COMPLETIONS, "model", ""),
        (COMPLETIONS, "provider", None),
        (COMPLETIONS, "model", "x" * 256),
        (COMPLETIONS, "inputTokenCount", -1),
        (COMPLETIONS, "outputTokenCount", 1.5),
        (COMPLETIONS, "totalTokenCount", 10**13),
        (COMPLETIONS, "totalCost", -0.1),
        (COMPLETIONS, "totalCost", 1e13),
        (COMPLETIONS, "costMultiplier", -1),
        (COMPLETIONS, "requestDuration", -1),
        (COMPLETIONS, "requestTime", "noon"),
        (COMPLETIONS, "agenticJobId", "a b"),
        (COMPLETIONS, "agenticJobId", "types"),
        (COMPLETIONS, "transactionId", "x" * 256),
        (TOOL_EVENTS, "toolId", None),
        (TOOL_EVENTS, "costUsd", "dear"),
        (TOOL_EVENTS, "durationMs", -1),
        (TOOL_EVENTS, "timestamp", "2026-13-01"),
        (TOOL_EVENTS, "currency", "XXX"),
    ],
)
async def test_a_bad_record_is_refused_and_the_field_named(client, facts, path, field, value):
    refused(await meter(client, path, **{field: value}), 400, "invalid_parameter", field)
    assert await everything(facts) == []


async def test_what_the_client_must_say_but_does_not_know_may_be_null(client):
    unknown = (
        "inputTokenCount",
        "outputTokenCount",
        "totalTokenCount",
        "requestDuration",
        "requestTime",
        "stopReason",
    )
    assert (await meter(client, **dict.fromkeys(unknown))).status_code == 201


async def test_prompts_are_never_kept_and_long_tags_are_cut(client, store, facts):
    await meter(
        client,
        systemPrompt="a secret",
        inputMessages='"a secret"',
        outputResponse="a secret",
        taskType="t" * 300,
    )
    ((_, stored),) = await everything(facts)
    assert b"a secret" not in stored.entry
    assert unpack(stored.entry).tags == {TAGS.index("taskType"): "t" * 255}


async def test_an_empty_body_with_a_good_key_is_a_bad_request_and_with_a_bad_one_is_not_let_in(client):
    """By which tools test a key."""
    refused(await client.post(COMPLETIONS), 400, "invalid_parameter", "body")
    client.headers["Authorization"] = "Bearer rev_sk_acme_nobody"
    refused(await client.post(COMPLETIONS), 401, "unauthorized")


async def test_a_usage_that_is_no_utf8_is_refused(client, facts):
    body = json.dumps(tool_event(usageMetadata={"pages": "X"})).encode().replace(b'"X"', b'"\xff"')
    refused(await client.post(TOOL_EVENTS, content=body), 400, "invalid_parameter", "usageMetadata")
    assert await everything(facts) == []


async def test_parts_of_a_cost_that_together_are_too_much_are_refused(client):
    parts = {"totalCost": None, "inputTokenCost": 1e12, "outputTokenCost": 1e-9}
    refused(await meter(client, **parts), 400, "invalid_parameter", "totalCost")
    assert (await meter(client, **parts | {"outputTokenCost": 0})).status_code == 201


async def test_a_batch_is_taken_item_by_item_in_its_order(client, facts):
    items = [
        completion(transactionId="a"),
        tool_event(transactionId="b"),
        {"model": 3},
        7,
        completion(transactionId="a"),
    ]
    answer = await client.post("/v1/ledger/meter/batch", json={"items": items})
    assert answer.status_code == 200
    one, two, three, four, five = answer.json()["items"]
    assert (one["label"], one["resourceType"]) == ("a", "completion")
    assert (two["label"], two["resourceType"]) == ("b", "tool-event")
    assert (three["status"], three["details"]["field"]) == (400, "model")
    assert (four["status"], four["details"]["field"]) == (400, "body")
    assert five == one
    positions = [stored.position for _, stored in await everything(facts)]
    assert positions == [1, 2]
    refused(
        await client.post("/v1/ledger/meter/batch", json={"items": [{}] * 101}),
        400,
        "invalid_parameter",
        "items",
    )


BATCH = "/v1/ledger/meter/batch"


def nameless(make, **fields):
    """A record without an id of its own."""
    return {name: value for name, value in make(**fields).items() if name != "transactionId"}


async def test_a_batch_that_comes_again_with_its_key_counts_each_record_once(client, facts):
    items = [
        nameless(completion),
        nameless(completion),  # two calls may be alike
        nameless(tool_event, agenticJobId="job-2"),
        nameless(tool_event, agenticJobId=None),
        completion(transactionId="own"),
        {"model": 3},
    ]
    first = await client.post(BATCH, json={"items": items}, headers={"Idempotency-Key": "k"})
    told = first.json()["items"]
    assert len({item["label"] for item in told[:5]}) == 5
    for _ in range(2):
        again = await client.post(BATCH, json={"items": items}, headers={"Idempotency-Key": "k"})
        assert (again.status_code, again.json()["items"][:5]) == (200, told[:5])
    assert len(await everything(facts)) == 5
    await client.post(BATCH, json={"items": items}, headers={"Idempotency-Key": "other"})
    await client.post(BATCH, json={"items": items})
    assert len(await everything(facts)) == 13  # what has an id of its own is known by it


async def test_the_key_of_a_batch_is_no_key_of_a_single_record(client, facts):
    alone = await client.post(COMPLETIONS, json=nameless(completion), headers={"Idempotency-Key": "k"})
    batch = await client.post(BATCH, json={"items": [nameless(completion)]}, headers={"Idempotency-Key": "k"})
    (item,) = batch.json()["items"]
    assert item["label"] != alone.json()["label"]
    assert len(await everything(facts)) == 2


async def test_of_a_batch_whose_key_comes_with_other_records_those_are_refused(client, facts):
    kept, other = nameless(completion), nameless(completion, model="other")
    headers = {"Idempotency-Key": "k" * 255}
    first = await client.post(BATCH, json={"items": [kept, kept]}, headers=headers)
    again = await client.post(BATCH, json={"items": [other, kept, other]}, headers=headers)
    one, two, three = again.json()["items"]
    assert (one["status"], one["code"]) == (409, "idempotency_key_mismatch")
    assert two == first.json()["items"][1]
    assert three["resourceType"] == "completion"
    assert len(await everything(facts)) == 3


async def test_a_batch_with_a_key_that_is_none_is_refused_whole(client, facts):
    answer = await client.post(BATCH, json={"items": [completion()]}, headers={"Idempotency-Key": "k" * 256})
    refused(answer, 400, "invalid_parameter", "Idempotency-Key")
    assert await everything(facts) == []


async def test_a_batch_says_of_each_item_that_the_store_is_away(client, outage):
    with outage():
        answer = await client.post("/v1/ledger/meter/batch", json={"items": [completion(), {"toolId": ""}]})
    assert [item["status"] for item in answer.json()["items"]] == [503, 400]


async def test_a_query_behind_the_path_changes_nothing(client, facts):
    """Such a call goes past the fast lane."""
    first = await client.post(COMPLETIONS, json=completion(), headers={"Idempotency-Key": "k"})
    other = await client.post(f"{COMPLETIONS}?x=1", json=completion(), headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.json()) == (201, first.json())
    assert len(await everything(facts)) == 1
