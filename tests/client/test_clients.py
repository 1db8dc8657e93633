"""Both clients keep the same promises: every test here runs on AMP and on AsyncAMP."""

import asyncio
import logging

import httpx
import msgspec
import pytest
from stand_in import CONTEXT, RECEIPT, Caller, refusal, settled

from amp import errors
from amp.client import AMP, UNSET, AsyncAMP, ClientClosed, Unexpected, Unreachable

OK = httpx.Response(200, json=RECEIPT)
LATE = httpx.ReadTimeout("late")
DOWN = httpx.ConnectError("refused")


async def test_a_context_is_asked_for_in_the_words_of_the_contract_and_read_in_pythons(amp, server):
    server.answers = [httpx.Response(200, json=CONTEXT | {"newerField": 1})]
    context = await amp.get_context(
        "u", "Fix it", complexity="high", task_type="debugging", metadata={"a": 1}
    )
    request = server.requests[0]
    assert (request.method, request.url.path) == ("POST", "/v1/context")
    assert request.headers["authorization"] == "Bearer amp_sk_test_1"
    assert server.bodies == [
        {
            "userId": "u",
            "task": "Fix it",
            "complexity": "high",
            "taskType": "debugging",
            "metadata": {"a": 1},
        }
    ]
    assert (context.request_id, context.suggested_framing, context.confidence) == (
        "req_abc",
        "challenge",
        0.87,
    )
    assert (context.metadata.profile_phase, context.metadata.policy_version) == ("optimised", 3)
    assert context.metadata.fallback is None
    assert msgspec.to_builtins(context)["requestId"] == "req_abc"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (LATE, "timeout"),
        (DOWN, "unreachable"),
        (httpx.RemoteProtocolError("cut"), "unreachable"),
        (RuntimeError("Event loop is closed"), "unreachable"),
        (refusal("STORE_UNAVAILABLE", 503, headers={"Retry-After": "1"}), "store_unavailable"),
        (refusal("RATE_LIMIT_EXCEEDED", 429, headers={"Retry-After": "9"}), "rate_limit_exceeded"),
        (refusal("UNAUTHORIZED", 401), "unauthorized"),
        (refusal("FORBIDDEN", 403), "forbidden"),
        (refusal("INVALID_TASK", 400), "invalid_task"),
        (httpx.Response(500, text="oops"), "internal"),
        (httpx.Response(200, text="<html>"), "unexpected"),
        (httpx.Response(302, headers={"Location": "http://elsewhere.test/"}), "unexpected"),
    ],
)
async def test_whatever_the_server_does_the_agent_gets_a_context(amp, server, answer, reason, caplog):
    server.answers = [answer]
    with caplog.at_level(logging.WARNING, "amp.client"):
        contexts = [await amp.get_context("secret-user", "secret-task") for _ in range(3)]
    for context in contexts:
        assert context.request_id.startswith("req_local_")
        assert (context.confidence, context.metadata.profile_phase) == (0.0, "cold_start")
        assert context.metadata.fallback == reason
    assert amp.client.counters.fallback_reasons == {reason: 3}
    ours = [record.getMessage() for record in caplog.records if record.name == "amp.client"]
    assert len(ours) == 1, "said once"
    assert reason in ours[0]
    assert "secret" not in ours[0]


@pytest.mark.parametrize("user_id", [None, 7, "", "\ud800"])
async def test_a_user_id_that_is_none_still_gives_a_context(amp, server, user_id):
    server.answers = [refusal("INVALID_USER_ID", 400)]
    assert (await amp.get_context(user_id, "task")).metadata.fallback in {
        "invalid_user_id",
        "invalid_parameter",
    }


async def test_a_misspelt_keyword_is_a_type_error(amp):
    with pytest.raises(TypeError, match="task_typ"):
        await amp.get_context("u", "t", task_typ="coding")
    with pytest.raises(TypeError, match="satisfied"):
        await amp.report_outcome("req_abc", started=True, satisfied=1)
    with pytest.raises(TypeError, match="framing"):
        await amp.update_profile("u", framing="learning")


async def test_a_kept_connection_that_the_server_closed_costs_no_context(amp, server):
    server.answers = [httpx.RemoteProtocolError("closed"), httpx.Response(200, json=CONTEXT)]
    assert (await amp.get_context("u", "t")).request_id == "req_abc"


async def test_a_context_reports_its_own_outcome(amp, server):
    server.answers = [httpx.Response(200, json=CONTEXT), OK]
    context = await amp.get_context("u", "t")
    receipt = await settled(
        context.report(started=True, completed=False, time_to_start=1.5, flow_state=True, satisfaction=0)
    )
    assert (receipt.success, receipt.replayed) == (True, False)
    assert server.bodies[1] == {
        "requestId": "req_abc",
        "started": True,
        "completed": False,
        "timeToStart": 1.5,
        "flowState": True,
        "satisfaction": 0,
    }


async def test_a_staged_report_says_its_step(amp, server):
    await amp.report_outcome("req_abc", started=True, final=False, step=2)
    assert server.bodies == [{"requestId": "req_abc", "started": True, "final": False, "step": 2}]


async def test_a_report_that_got_no_answer_is_sent_again_unchanged_and_a_replay_is_counted(amp, server):
    replay = httpx.Response(200, json=RECEIPT, headers={"Idempotent-Replay": "true"})
    server.answers = [LATE, refusal("STORE_UNAVAILABLE", 503, headers={"Retry-After": "0"}), replay]
    receipt = await amp.report_outcome("req_abc", started=True)
    assert receipt.replayed
    assert len(server.requests) == 3
    assert len({request.content for request in server.requests}) == 1
    counters = amp.client.counters
    assert (counters.sent, counters.replayed, counters.failed) == (1, 1, 0)


async def test_a_refused_report_raises_its_class_with_details(amp, server):
    server.answers = [refusal("INVALID_PARAMETER", 400, details={"field": "step", "reason": "too large"})]
    with pytest.raises(errors.InvalidParameter) as caught:
        await amp.report_outcome("req_abc", started=True, step=999)
    assert caught.value.details == {"field": "step", "reason": "too large"}
    assert amp.client.counters.failed_codes == {"INVALID_PARAMETER": 1}


async def test_a_report_that_reaches_nobody_says_so(amp, server):
    server.answers = [DOWN]
    with pytest.raises(Unreachable):
        await amp.report_outcome("req_abc", started=True)
    assert len(server.requests) == 4


async def test_reports_on_a_fallback_context_are_dropped_and_counted(amp, server):
    server.answers = [DOWN]
    context = await amp.get_context("u", "t")
    asked = len(server.requests)
    assert not (await settled(context.report(started=True))).success
    assert context.report_background(started=True) is False
    (receipt,) = await amp.report_outcomes([{"request_id": context.request_id, "started": True}])
    assert not receipt.success
    assert len(server.requests) == asked
    assert amp.client.counters.dropped_local == 3


async def test_only_what_is_given_changes_in_a_profile_and_none_clears(amp, server):
    server.answers = [httpx.Response(200, json=PROFILE)]
    profile = await amp.update_profile(
        "a/b", preferred_framing=None, encouragement_level="high", metadata=UNSET, lock=True
    )
    assert server.requests[0].url.raw_path == b"/v1/profile/a%2Fb"
    assert server.bodies == [{"preferredFraming": None, "encouragementLevel": "high", "lock": True}]
    assert (profile.user_id, profile.created_at.year, profile.completion_rate) == ("a/b", 2026, 0.5)
    assert profile.time_of_day_patterns[0].hour == 9


async def test_the_other_profile_calls_go_to_their_paths(amp, server):
    server.answers = [httpx.Response(200, json=PROFILE)]
    assert (await amp.get_profile("u")).preferred_framing == "learning"
    assert (await amp.export_profile("u"))["userId"] == "a/b"
    server.answers = [httpx.Response(200, json=POSTERIOR)]
    (dimension,) = (await amp.get_posterior("u")).dimensions
    assert (dimension.options[0].option, dimension.options[0].probability_best) == ("learning", 0.6)
    server.answers = [httpx.Response(204)]
    assert await amp.delete_profile("u") is None
    assert [(request.method, request.url.path) for request in server.requests] == [
        ("GET", "/v1/profile/u"),
        ("GET", "/v1/profile/u/export"),
        ("GET", "/v1/profile/u/posterior"),
        ("DELETE", "/v1/profile/u"),
    ]


async def test_a_missing_profile_is_not_found(amp, server):
    server.answers = [refusal("NOT_FOUND", 404)]
    with pytest.raises(errors.NotFound):
        await amp.get_profile("nobody")


async def test_contexts_come_in_order_and_a_refused_one_is_a_fallback(amp, server):
    refused = {"error": {"code": "INVALID_TASK", "message": "empty"}}
    server.answers = [httpx.Response(200, json={"items": [CONTEXT, refused]})]
    asked = [{"user_id": "a", "task": "t"}, {"user_id": "b", "task": "\ud800"}, {"user_id": "c", "task": ""}]
    first, unsendable, last = await amp.get_contexts(asked)
    assert first.request_id == "req_abc"
    assert unsendable.metadata.fallback == "invalid_parameter"
    assert last.metadata.fallback == "invalid_task"
    assert [item["userId"] for item in server.bodies[0]["items"]] == ["a", "c"]


async def test_no_server_gives_every_item_a_fallback_without_asking_for_each_hundred(amp, server):
    server.answers = [DOWN]
    contexts = await amp.get_contexts([{"user_id": str(n), "task": "t"} for n in range(250)])
    assert {context.metadata.fallback for context in contexts} == {"unreachable"}
    assert len(contexts) == 250
    assert len(server.requests) == 2, "one retry, of the first hundred"


async def test_reports_in_a_batch_have_a_result_each(amp, server):
    def answer(request):
        items = msgspec.json.decode(request.content)["items"]
        known = [RECEIPT if item["requestId"] != "gone" else EXPIRED for item in items]
        return httpx.Response(200, json={"items": known})

    server.answers = [answer]
    ids = ["req_1", "gone", "req_local_1", *(f"req_{n}" for n in range(2, 120))]
    results = await amp.report_outcomes([{"request_id": name, "started": True} for name in ids])
    assert type(results[1]) is errors.RequestExpired
    assert not results[2].success
    assert all(result.success for result in [results[0], *results[3:]])
    assert [len(body["items"]) for body in server.bodies] == [100, 20]
    counters = amp.client.counters
    assert (counters.sent, counters.failed, counters.dropped_local) == (119, 1, 1)


async def test_background_reports_arrive_in_batches(amp, server):
    server.answers = [
        lambda request: httpx.Response(
            200, json={"items": [RECEIPT for _ in msgspec.json.decode(request.content)["items"]]}
        )
    ]
    for number in range(150):
        assert await amp.report_outcome_background(f"req_{number}", started=True, completed=True)
    assert await amp.flush(5)
    sent = [item["requestId"] for body in server.bodies for item in body["items"]]
    assert sent == [f"req_{number}" for number in range(150)]
    assert len(server.requests) <= 3
    assert amp.client.counters.sent == 150


async def test_a_closed_client_gives_fallbacks_refuses_calls_and_drops_reports(amp, server):
    await amp.close()
    await amp.close()
    assert (await amp.get_context("u", "t")).metadata.fallback == "closed"
    with pytest.raises(ClientClosed):
        await amp.report_outcome("req_abc", started=True)
    assert await amp.report_outcome_background("req_abc", started=True) is False
    assert amp.client.counters.dropped == 1
    assert server.requests == []


@pytest.mark.parametrize("kind", [AMP, AsyncAMP])
def test_no_key_is_a_clear_error(kind, monkeypatch):
    monkeypatch.delenv("AMP_API_KEY", raising=False)
    with pytest.raises(errors.Unauthorized, match="AMP_API_KEY"):
        kind()
    with pytest.raises(errors.Unauthorized, match="copied"):
        kind("amp_sk_live_é")


@pytest.mark.parametrize("kind", [AMP, AsyncAMP])
async def test_key_and_address_are_read_from_the_environment(kind, server, monkeypatch):
    monkeypatch.setenv("AMP_API_KEY", "amp_sk_live_env\n")
    monkeypatch.setenv("AMP_BASE_URL", "http://amp.internal:9/base/")
    client = Caller(kind(transport=httpx.MockTransport(server)))
    await client.report_outcome("req_1", started=True)
    await client.close()
    assert str(server.requests[0].url) == "http://amp.internal:9/base/v1/outcome"
    assert server.requests[0].headers["authorization"] == "Bearer amp_sk_live_env"


@pytest.mark.parametrize("kind", [AMP, AsyncAMP])
def test_an_address_without_a_scheme_is_a_clear_error(kind):
    with pytest.raises(ValueError, match="http://"):
        kind("amp_sk_test_1", "localhost:8000")


async def test_a_cancelled_call_stays_cancelled():
    async def hang(_request):
        await asyncio.Event().wait()

    async with AsyncAMP(
        "k", "http://amp.test", context_deadline_s=60, transport=httpx.MockTransport(hang)
    ) as amp:
        task = asyncio.create_task(amp.get_context("u", "t"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_garbage_on_a_waited_call_is_unexpected(amp, server):
    server.answers = [httpx.Response(200, text="<html>")]
    with pytest.raises(Unexpected):
        await amp.get_profile("u")


POSTERIOR = {
    "userId": "u",
    "totalInteractions": 2,
    "userWeight": 0.2,
    "priorVersion": 1,
    "policyVersion": 1,
    "dimensions": [
        {
            "dimension": "suggestedFraming",
            "options": [
                {
                    "option": "learning",
                    "mean": 0.7,
                    "sd": 0.1,
                    "probabilityBest": 0.6,
                    "populationMean": 0.5,
                    "populationSd": 0.1,
                }
            ],
        }
    ],
}
EXPIRED = {"error": {"code": "REQUEST_EXPIRED", "message": "too old"}}
PROFILE = {
    "userId": "a/b",
    "preferredFraming": "learning",
    "communicationStyle": "technical",
    "complexityPreference": "hints_only",
    "encouragementLevel": "none",
    "totalInteractions": 2,
    "completionRate": 0.5,
    "averageTimeToStart": None,
    "flowStateFrequency": 0.0,
    "framingConfidence": 0.4,
    "styleConfidence": 0.4,
    "complexityConfidence": 0.4,
    "encouragementConfidence": 0.4,
    "taskTypeAffinities": {"coding": 0.5},
    "timeOfDayPatterns": [{"hour": 9, "interactions": 2, "completionRate": 0.5}],
    "createdAt": "2026-01-02T03:04:05Z",
    "lastUpdated": "2026-01-02T03:04:05.123Z",
    "profileVersion": "2",
    "metadata": {},
}
