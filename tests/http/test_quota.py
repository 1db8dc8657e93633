"""The month's quota: exact over workers, told in every answer, and never a reason to lose an outcome."""

import asyncio
import calendar
from datetime import UTC, datetime, timedelta

import pytest
from envelopes import refused

from amp.clock import now_ms
from amp.store.functions import Call, Functions
from amp.store.quota import LIBRARY


@pytest.fixture
def store(real_store):
    return real_store


@pytest.fixture(autouse=True)
def _time_to_count(monkeypatch):
    """A busy machine may take longer than a context waits for its count, and then lets it in uncounted."""
    monkeypatch.setattr("amp.store.quota.COUNT_WITHIN_S", 30.0)
    monkeypatch.setattr("amp.learning.service.DECIDE_WITHIN_S", 30.0)


async def test_exactly_the_quota_passes_over_two_workers_at_once(serve, real_url, caller):
    first = await caller("all", on=await serve(monthly_quota=10, redis=real_url))
    second = type(first)(await serve(monthly_quota=10, redis=real_url), None)
    second.headers = first.headers
    answers = await asyncio.gather(*(way.context() for way in (first, second) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 30
    left = sorted(int(answer.headers["X-Quota-Remaining"]) for answer in answers)
    assert left == [0] * 31 + list(range(1, 10))


async def test_a_refusal_names_the_quota_and_when_it_ends(serve, real_url, caller):
    client = await caller("all", on=await serve(monthly_quota=1, redis=real_url))
    given = await client.context()
    answer = await client.context()
    details = refused(answer, 429, "QUOTA_EXCEEDED")
    now = datetime.now(UTC)
    days = calendar.monthrange(now.year, now.month)[1]
    ends = datetime(now.year, now.month, 1, tzinfo=UTC) + timedelta(days=days)
    assert details["resetsAt"] == ends.strftime("%Y-%m-%dT00:00:00.000Z")
    assert (details["limit"], details["used"], details["period"]) == (1, 1, now.strftime("%Y-%m"))
    assert abs(int(answer.headers["Retry-After"]) - (ends.timestamp() - now_ms() / 1000)) < 5
    assert given.headers["X-Quota-Limit"] == answer.headers["X-Quota-Limit"] == "1"
    assert int(given.headers["X-Quota-Reset"]) == ends.timestamp()
    assert "1 decisions in" in answer.json()["error"]["message"]


async def test_outcomes_and_everything_else_are_taken_when_it_is_used_up(serve, real_url, caller):
    client = await caller("all", on=await serve(monthly_quota=1, redis=real_url))
    decided = (await client.context()).json()["requestId"]
    refused(await client.context(), 429, "QUOTA_EXCEEDED")
    assert (await client.outcome(decided)).status_code == 200
    assert (await client.get("/v1/profile/ada")).status_code == 200


async def test_what_was_refused_for_another_reason_is_not_counted(serve, real_url, caller):
    client = await caller("all", on=await serve(monthly_quota=2, redis=real_url))
    refused(await client.post("/v1/context", json={"userId": "", "task": "x"}), 400, "INVALID_USER_ID")
    assert (await client.get("/v1/usage")).json()["used"] == 0
    assert [(await client.context()).status_code for _ in range(3)] == [200, 200, 429]
    told = (await client.get("/v1/usage")).json()
    assert (told["used"], told["limit"], told["remaining"], told["earlier"]) == (2, 2, 0, {})


async def test_of_a_batch_as_many_are_given_as_are_left(serve, real_url, caller):
    client = await caller("all", on=await serve(monthly_quota=3, redis=real_url))
    items = [{"userId": f"user-{number}", "task": "x"} for number in range(5)]
    answer = await client.post("/v1/context/batch", json={"items": items})
    told = answer.json()["items"]
    assert sum("requestId" in each and "error" not in each for each in told) == 3
    assert [each["error"]["code"] for each in told if "error" in each] == ["QUOTA_EXCEEDED"] * 2
    assert answer.headers["X-Quota-Limit"] == "3"


async def test_each_environment_and_tenant_has_a_quota_of_its_own(serve, real_url, caller):
    app = await serve(monthly_quota=1, redis=real_url)
    for client in (
        await caller("all", on=app),
        await caller("all", on=app, tenant="other"),
        await caller("all", on=app, env="live"),
    ):
        assert [(await client.context()).status_code for _ in range(2)] == [200, 429]


async def test_when_nobody_can_count_a_context_is_given(serve, caller, outage):
    client = await caller("all", on=await serve(monthly_quota=1))
    assert (await client.context()).status_code == 200
    with outage():
        for _ in range(3):
            answer = await client.context()
            assert answer.status_code == 200
            assert "x-quota-limit" not in answer.headers
    refused(await client.context(), 429, "QUOTA_EXCEEDED")


async def test_without_a_quota_nothing_is_said_and_nothing_counted(caller):
    client = await caller("all")
    answer = await client.context()
    assert not [name for name in answer.headers if name.startswith("x-quota")]
    told = (await client.get("/v1/usage")).json()
    assert (told["limit"], told["used"], told["remaining"]) == (None, None, None)


async def test_months_are_the_calendars_for_four_centuries(real_store):
    """The store knows no calendar: its months are held against Python's, to the second."""
    library = LIBRARY.replace("redis.call('TIME')[1]", "args[3]").replace("amp_quota", "test_quota")
    functions = Functions(real_store, [library])
    for year in (1970, 1999, 2000, 2023, 2024, 2026, 2038, 2100, 2400):
        for month in range(1, 13):
            first = datetime(year, month, 1, tzinfo=UTC)
            ends = first + timedelta(days=calendar.monthrange(year, month)[1])
            for at in (first, ends - timedelta(seconds=1)):
                call = Call("test_quota_take_v1", [b"months"], [0, 1, int(at.timestamp())])
                _, _, name, ends_s, left_s = await functions.call(call)
                assert name.decode() == first.strftime("%Y-%m")
                assert (ends_s, left_s) == (ends.timestamp(), (ends - at).total_seconds())


async def test_thirteen_months_are_kept(real_store):
    library = LIBRARY.replace("redis.call('TIME')[1]", "args[3]").replace("amp_quota", "test_quota")
    functions = Functions(real_store, [library])
    for month in range(20):
        at = int(datetime(2026 + month // 12, month % 12 + 1, 5, tzinfo=UTC).timestamp())
        assert (await functions.call(Call("test_quota_take_v1", [b"m"], [2, 9, at])))[:2] == [1, 2]
    assert len(await real_store.ask("HKEYS", "m")) == 14
