"""POST /v1/outcome, clause by clause. Contract: amp.md."""

import asyncio
from itertools import permutations

import pytest
from envelopes import refused


async def profile(client, user="ada"):
    return (await client.get(f"/v1/profile/{user}")).json()


def is_replay(answer):
    assert answer.status_code == 200, answer.text
    return answer.headers.get("Idempotent-Replay") == "true"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("completed", False),
        ("timeToStart", 0),
        ("timeToStart", 0.25),
        ("timeToStart", 1e300),
        ("final", False),
        ("step", 0),
        ("step", 255),
        ("flowState", True),
        ("satisfaction", 0),
        ("satisfaction", 1),
        ("metadata", {"deep": [{"er": None}]}),
    ],
)
async def test_every_field_takes_its_range(client, field, value):
    assert (await client.outcome(await client.decided(), **{field: value})).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeToStart", -0.001),
        ("step", -1),
        ("step", 256),
        ("step", 1.5),
        ("satisfaction", 1.001),
        ("satisfaction", -0.1),
        ("metadata", {"note": "x" * 4096}),
    ],
)
async def test_no_field_takes_more_than_its_range(client, field, value):
    request_id = await client.decided()
    refused(await client.outcome(request_id, **{field: value}), 400, "INVALID_PARAMETER", field=field)
    assert not is_replay(await client.outcome(request_id))


async def test_what_was_never_started_cannot_be_completed(client):
    answer = await client.outcome(await client.decided(), started=False, completed=True)
    refused(answer, 400, "INVALID_PARAMETER", field="completed")


async def test_a_time_to_start_is_kept_in_whole_milliseconds_up_to_a_billion_seconds(client):
    await client.outcome(await client.decided("ada"), timeToStart=1.2345)
    await client.outcome(await client.decided("bob"), timeToStart=1e12)
    assert (await profile(client, "ada"))["averageTimeToStart"] in {1.234, 1.235}
    assert (await profile(client, "bob"))["averageTimeToStart"] == 1e9


@pytest.mark.parametrize(
    "request_id", ["", "req_", "req_x", "req_local_1", "x" * 3000, "req_ü", "req_" + "A" * 90, " "]
)
async def test_an_id_that_we_never_gave_is_unknown(client, request_id):
    refused(await client.outcome(request_id), 404, "INVALID_REQUEST_ID")


async def test_an_id_with_a_single_changed_character_is_unknown(client):
    request_id = await client.decided()
    for at in (5, len(request_id) // 2, len(request_id) - 1):
        other = "A" if request_id[at] != "A" else "B"
        refused(
            await client.outcome(request_id[:at] + other + request_id[at + 1 :]), 404, "INVALID_REQUEST_ID"
        )
    for spelling in (request_id + "=", request_id[4:], f" {request_id}", request_id + "\n"):
        refused(await client.outcome(spelling), 404, "INVALID_REQUEST_ID")


@pytest.mark.parametrize("field", ["timeToStart", "satisfaction"])
async def test_zero_with_and_without_a_sign_is_the_same_report(client, field):
    request_id = await client.decided()
    assert not is_replay(await client.outcome(request_id, **{field: -0.0}))
    assert is_replay(await client.outcome(request_id, **{field: 0}))
    assert is_replay(await client.outcome(request_id, **{field: 0.0}))


@pytest.mark.parametrize(
    "again",
    [
        b'{"completed":true,"started":true,"requestId":"%s"}',
        b'{"requestId":"%s","started":true,"completed":true,"flowState":null,"metadata":null}',
        b'{"requestId":"%s","started":true,"completed":true,"unknown":{"field":1}}',
        b'{"requestId":"%s","started":true,"completed":true,"final":true,"step":0}',
        b' {\n"requestId" : "%s", "started": true, "completed": true } ',
    ],
)
async def test_the_same_report_in_other_words_is_a_replay(client, again):
    request_id = await client.decided()
    assert not is_replay(await client.outcome(request_id, completed=True))
    assert is_replay(await client.post("/v1/outcome", content=again % request_id.encode()))


async def test_the_order_of_metadata_keys_says_nothing(client):
    request_id = await client.decided()
    await client.outcome(request_id, metadata={"a": 1, "b": {"c": 2, "d": 3}})
    assert is_replay(await client.outcome(request_id, metadata={"b": {"d": 3, "c": 2}, "a": 1}))


@pytest.mark.parametrize(
    "changed",
    [
        {"started": False},
        {"completed": True},
        {"timeToStart": 1},
        {"flowState": False},
        {"satisfaction": 0.5},
        {"metadata": {"a": 2}},
        {"metadata": None},
    ],
)
async def test_any_other_second_report_is_a_conflict(client, changed):
    request_id = await client.decided()
    first = {"metadata": {"a": 1}}
    await client.outcome(request_id, **first)
    before = await profile(client)
    refused(await client.outcome(request_id, **(first | changed)), 409, "OUTCOME_ALREADY_REPORTED")
    assert await profile(client) == before


async def test_stages_end_the_same_in_every_order_of_arrival(client):
    stages = [
        {"final": False, "step": 1},
        {"final": False, "step": 2, "flowState": True},
        {"final": True, "completed": True, "timeToStart": 3},
    ]
    for number, order in enumerate(permutations(stages)):
        user = f"user-{number}"
        request_id = await client.decided(user)
        for stage in order:
            assert (await client.outcome(request_id, **stage)).status_code == 200
        shown = await profile(client, user)
        assert (shown["totalInteractions"], shown["completionRate"], shown["averageTimeToStart"]) == (1, 1, 3)
        assert shown["flowStateFrequency"] == 0


async def test_a_higher_stage_is_no_replay_and_a_lower_one_is(client):
    request_id = await client.decided()
    assert not is_replay(await client.outcome(request_id, final=False, step=1))
    assert not is_replay(await client.outcome(request_id, final=False, step=5))
    assert is_replay(await client.outcome(request_id, final=False, step=2, completed=True))
    assert not is_replay(await client.outcome(request_id, final=True))


async def test_an_equal_stage_with_other_content_is_a_conflict(client):
    request_id = await client.decided()
    await client.outcome(request_id, final=False, step=3)
    answer = await client.outcome(request_id, final=False, step=3, completed=True)
    refused(answer, 409, "OUTCOME_ALREADY_REPORTED")


async def test_a_found_report_wins_over_the_window(serve, caller):
    client = await caller()
    request_id = await client.decided()
    await client.outcome(request_id, completed=True)
    late = await caller(on=await serve(outcome_window_ms=1))
    assert is_replay(await late.outcome(request_id, completed=True))
    refused(await late.outcome(request_id, completed=False), 409, "OUTCOME_ALREADY_REPORTED")


async def test_metadata_is_kept_with_the_event(client):
    await client.outcome(await client.decided(), metadata={"ticket": "A-7"})
    (interaction,) = (await client.get("/v1/profile/ada/export")).json()["interactions"]
    assert interaction["metadata"] == {"ticket": "A-7"}


async def test_a_batch_reports_in_order_and_each_on_its_own_terms(client):
    request_id = await client.decided()
    report = {"requestId": request_id, "started": True}
    items = [report, report, report | {"completed": True}, {"started": True}, 7]
    answers = (await client.post("/v1/outcome/batch", json={"items": items})).json()["items"]
    assert [each.get("success") or each["error"]["code"] for each in answers] == [
        True,
        True,
        "OUTCOME_ALREADY_REPORTED",
        "INVALID_PARAMETER",
        "INVALID_PARAMETER",
    ]
    assert (await profile(client))["totalInteractions"] == 1


class TestOnARealStore:
    @pytest.fixture
    def store(self, real_store):
        return real_store

    async def test_400_concurrent_duplicates_have_one_effect(self, client):
        request_id = await client.decided()
        answers = await asyncio.gather(*(client.outcome(request_id, completed=True) for _ in range(400)))
        assert sorted(is_replay(answer) for answer in answers) == [False] + [True] * 399
        assert (await profile(client))["totalInteractions"] == 1

    async def test_of_two_concurrent_stories_one_stands(self, client):
        request_id = await client.decided()
        stories = [{"completed": number % 2 == 0} for number in range(40)]
        answers = await asyncio.gather(*(client.outcome(request_id, **story) for story in stories))
        assert sorted(answer.status_code for answer in answers) == [200] * 20 + [409] * 20
        assert (await profile(client))["totalInteractions"] == 1
