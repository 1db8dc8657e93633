"""The wire thinks without sockets, clocks or chance."""

import json

import pytest

from amp import errors
from amp.client import TimedOut, Unexpected, Unreachable, calls, wire
from amp.client.wire import Answer, Patience, Reply

PATIENCE = Patience(deadline_s=10.0, attempts=4, backoff_s=0.25, backoff_s_max=8.0)
CALL = calls.outcome(b"{}")
TAKEN = Reply(200, {}, b'{"success":true,"message":"ok","newerField":[1]}')


def refused(status, code="STORE_UNAVAILABLE", headers=None, **details):
    body = json.dumps({"error": {"code": code, "message": "no", "details": details}}).encode()
    return Reply(status, headers or {}, body)


def play(*results, patience=PATIENCE, took_s=0.0, chance=0.5):
    """Drive one exchange with these results; gives its attempts and what it came to."""
    exchange = wire.exchange(CALL, patience, lambda: chance)
    attempts = [next(exchange)]
    try:
        for result in results:
            attempts.append(exchange.send(Answer(result, attempts[-1].pause_s + took_s)))
    except StopIteration as finished:
        return attempts, finished.value
    except errors.AmpError as error:
        return attempts, error
    return attempts, None


@pytest.mark.parametrize(
    "trouble",
    [Unreachable("cut"), TimedOut("late"), refused(503), refused(500, "INTERNAL"), Reply(502, {}, b"<html>")],
)
def test_trouble_that_may_pass_is_tried_again(trouble):
    attempts, receipt = play(trouble, TAKEN)
    assert len(attempts) == 2
    assert receipt.success


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refused(401, "KEY_EXPIRED"), errors.KeyExpired),
        (refused(409, "OUTCOME_ALREADY_REPORTED"), errors.OutcomeAlreadyReported),
        (refused(429, "QUOTA_EXCEEDED"), errors.QuotaExceeded),
        (refused(400, "INVALID_PARAMETER"), errors.InvalidParameter),
        (refused(422, "FROM_THE_FUTURE"), errors.AmpError),
        (Reply(404, {}, b"nginx"), errors.NotFound),
    ],
)
def test_a_final_refusal_is_raised_at_once_as_its_own_class(reply, kind):
    attempts, error = play(reply, TAKEN)
    assert len(attempts) == 1
    assert type(error) is kind


def test_every_code_of_the_contract_comes_back_as_the_class_that_the_server_raised():
    def family(kind):
        return {kind}.union(*map(family, kind.__subclasses__()))

    for kind in family(errors.AmpError):
        own = kind.__module__ == "amp.errors" and "code" in vars(kind)
        if own and kind not in {errors.AmpError, errors.InvalidInput}:
            _, error = play(refused(kind.status, kind.code, field="task"), patience=Patience(1, 1, 0))
            assert type(error) is kind
            assert error.details == {"field": "task"}


def test_attempts_are_bounded():
    attempts, error = play(*[Unreachable("down")] * 9)
    assert len(attempts) == PATIENCE.attempts
    assert isinstance(error, Unreachable)


def test_what_is_left_of_the_deadline_is_all_that_an_attempt_gets():
    attempts, _ = play(Unreachable("a"), Unreachable("b"), took_s=3.0, chance=0.4)
    assert [attempt.timeout_s for attempt in attempts] == pytest.approx([10.0, 6.9, 3.7])


def test_a_pause_that_would_pass_the_deadline_is_not_begun():
    attempts, error = play(refused(503, headers={"retry-after": "10"}), TAKEN)
    assert len(attempts) == 1
    assert error.retry_after_s == 10


def test_the_jitter_is_full_under_a_doubling_ceiling():
    pauses = [wire.backoff_s(PATIENCE, attempt, None, 0.5) for attempt in range(1, 9)]
    assert pauses == [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert wire.backoff_s(PATIENCE, 3, None, 0.0) == 0.0


@pytest.mark.parametrize(
    ("headers", "details"),
    [
        ({"retry-after": "2"}, {}),
        ({}, {"retryAfter": 2}),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:02 GMT",
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            {},
        ),
    ],
    ids=["seconds", "details", "date"],
)
def test_retry_after_is_the_least_pause_in_each_of_its_forms(headers, details):
    attempts, _ = play(refused(429, "RATE_LIMIT_EXCEEDED", headers, **details), TAKEN, chance=0.5)
    assert attempts[1].pause_s == pytest.approx(2.125)


@pytest.mark.parametrize("header", ["soon", "-1", "", "Wed, 21 Oct 2026 07:28:02 GMT", "9" * 5000])
def test_a_retry_after_that_makes_no_sense_is_ignored(header):
    attempts, _ = play(refused(503, headers={"retry-after": header}), TAKEN, chance=0.0)
    assert attempts[1].pause_s == 0.0


@pytest.mark.parametrize(("asked_s", "pause_s"), [(-5, 0.0), (10**400, 86_400.0)])
def test_a_pause_is_one_that_a_clock_can_carry(asked_s, pause_s):
    assert wire.backoff_s(PATIENCE, 1, asked_s, 0.0) == pause_s


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"success":"perhaps"}', b'"\xff"', b"[" * 100_000])
def test_an_answer_that_is_not_ours_is_unexpected(body):
    _, error = play(Reply(200, {}, body), patience=Patience(1, 1, 0))
    assert isinstance(error, Unexpected)


def test_a_replay_is_told_from_a_first_answer():
    _, first = play(TAKEN)
    _, again = play(TAKEN._replace(headers={"idempotent-replay": "true"}))
    assert (first.replayed, again.replayed) == (False, True)


def test_batches_hold_at_most_a_hundred_items_and_a_mebibyte():
    many = [b"1"] * 250
    assert [len(batch) for batch in wire.batches(many)] == [100, 100, 50]
    large = [b"x" * 60_000] * 40
    sizes = [len(calls.outcomes(batch).request.body) for batch in wire.batches(large)]
    assert max(sizes) <= wire.BATCH_BYTES < max(sizes) + 60_000
    assert list(wire.batches([])) == []


def test_a_batch_gives_each_item_its_own_result():
    items = [RECEIPT, {"error": {"code": "INVALID_REQUEST_ID", "message": "who?"}}, {"odd": 1}]
    reply = Reply(200, {}, json.dumps({"items": items}).encode())
    taken, unknown, odd = calls.outcomes([b"{}"] * 3).read(reply)
    assert taken.success
    assert type(unknown) is errors.InvalidRequestId
    assert type(odd) is Unexpected


def test_a_batch_answered_in_part_is_unexpected():
    with pytest.raises(Unexpected):
        calls.outcomes([b"{}"] * 2).read(Reply(200, {}, b'{"items":[{"success":true}]}'))


@pytest.mark.parametrize("field", ["time_to_start", "satisfaction"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_would_turn_into_not_said_is_refused(field, number):
    with pytest.raises(errors.InvalidParameter):
        calls.outcome_body({"request_id": "r", "started": True, field: number})


@pytest.mark.parametrize("metadata", [{"x": object()}, {"x": "\ud800"}])
def test_what_json_cannot_carry_is_refused_before_it_is_sent(metadata):
    with pytest.raises(errors.InvalidParameter):
        calls.ask_body({"user_id": "u", "task": "t", "metadata": metadata})


def test_a_body_over_the_limit_is_refused_before_it_is_sent():
    with pytest.raises(errors.PayloadTooLarge):
        calls.ask_body({"user_id": "u", "task": "t" * 65_536})


@pytest.mark.parametrize(
    ("user_id", "path"),
    [
        ("a/export", "/v1/profile/a%2Fexport"),
        ("..", "/v1/profile/%2E%2E"),
        ("é ?#%", "/v1/profile/%C3%A9%20%3F%23%25"),
    ],
)
def test_any_user_id_is_one_path_segment(user_id, path):
    assert calls.get_profile(user_id).request.path == path


@pytest.mark.parametrize("user_id", ["", "  ", None, 7, "\ud800"])
def test_a_user_id_that_makes_no_path_is_refused(user_id):
    with pytest.raises(errors.InvalidUserId):
        calls.get_profile(user_id)


RECEIPT = {"success": True, "message": "ok"}
