"""What learning is worth and who reports, from contexts and outcomes over HTTP to the answer."""

import pytest
from measuring import LIVE, SCOPES, SECRET, SHARE, flushed, kept_on, lived, measured, measuring

from amp.app import create
from amp.learning.admin_wire import FitReply
from amp.learning.insight_store import DAY_MS
from amp.settings import Settings
from amp.store.keys import counts
from amp.tenancy import Tenant


@pytest.fixture
async def service(serve):
    return await serve(control_share=SHARE)


@pytest.fixture
async def live(caller, service):
    """A client with a live key, whose users have a control group."""
    return await caller(*SCOPES, env="live", on=service)


@pytest.fixture
def measure(store):
    return measuring(store)


async def test_before_the_first_measurement_it_says_so(live):
    lift = (await live.get("/v1/insights/lift")).json()
    assert (lift["verdict"], lift["computedAt"], lift["differences"]) == ("no outcomes yet", None, [])
    reporting = (await live.get("/v1/insights/reporting")).json()
    assert reporting["computedAt"] is None
    assert reporting["all"] == {"decided": 0, "reported": 0, "rate": None}


async def test_learned_users_against_control_users(live, service, measure):
    groups = await lived(live, taskType="coding")
    assert await measured(service, measure)
    lift = (await live.get("/v1/insights/lift")).json()
    assert (lift["learnedUsers"], lift["controlUsers"]) == (groups.count("learned"), groups.count("control"))
    assert (lift["usersKnown"], lift["usersSeen"], lift["sampled"]) == (140, 140, False)
    assert lift["outcomes"] == 280
    assert lift["computedAt"]
    told = {each["metric"]: each for each in lift["differences"]}
    assert list(told) == ["reward", "start", "completion", "timeToStart"]
    assert (told["completion"]["learned"], told["completion"]["control"]) == (1.0, 0.0)
    assert told["completion"]["verdict"].startswith("learned users do better: +")
    assert told["completion"]["usersNeeded"] is None
    assert (told["start"]["difference"], told["start"]["shown"]) == (0.0, False)
    assert told["start"]["verdict"] == "no effect shown yet"
    assert told["timeToStart"]["learned"] == pytest.approx(60)
    assert told["timeToStart"]["difference"] == pytest.approx(-0.75)
    assert told["timeToStart"]["verdict"].endswith("sooner")
    assert lift["verdict"].startswith("learned users do better: +")
    assert "of completion" in lift["verdict"]
    assert [(each["by"], each["name"]) for each in lift["where"]] == [
        ("phase", "cold_start"),
        ("taskType", "coding"),
    ]
    assert all(each["shown"] for each in lift["where"])


async def test_where_both_fare_alike_no_effect_is_shown(live, service, measure):
    await lived(live, learned=True, control=True)
    await measured(service, measure)
    lift = (await live.get("/v1/insights/lift")).json()
    assert lift["verdict"] == "no effect shown yet"
    assert lift["reason"] is None
    assert not any(each["shown"] for each in lift["differences"] + lift["where"])
    assert [each["code"] for each in lift["warnings"]] == ["NEVER_NEGATIVE"]


async def test_too_few_users_are_said_to_be_too_few(live, service, measure):
    groups = await lived(live, users=20)
    await measured(service, measure)
    lift = (await live.get("/v1/insights/lift")).json()
    assert lift["verdict"] == "no effect shown yet"
    assert f"the control group has {groups.count('control')} of the 30 users" in lift["reason"]
    (reward, *_) = lift["differences"]
    assert reward["usersNeeded"] == {
        "learned": 30 - groups.count("learned"),
        "control": 30 - groups.count("control"),
    }


async def test_who_has_set_a_preference_is_of_neither_group(live, service, measure):
    groups = await lived(live, users=4, times=1)
    assert (await live.put("/v1/profile/user 0", json={"preferredFraming": "learning"})).status_code == 200
    await measured(service, measure)
    lift = (await live.get("/v1/insights/lift")).json()
    assert lift["leftOut"] == {"withPreference": 1, "inBothGroups": 0}
    assert (lift["learnedUsers"], lift["controlUsers"]) == (
        groups[1:].count("learned"),
        groups[1:].count("control"),
    )


async def test_test_keys_have_no_control_group_and_are_told_so(caller, service, measure):
    client = await caller(*SCOPES, on=service)
    await lived(client, users=3)
    await measured(service, measure, Tenant("acme", "test"))
    lift = (await client.get("/v1/insights/lift")).json()
    assert (lift["learnedUsers"], lift["controlUsers"]) == (3, 0)
    assert lift["reason"].startswith("there is no control group")


async def test_another_tenants_measurement_is_not_there(live, caller, service, measure):
    await lived(live, users=3)
    await measured(service, measure)
    other = await caller("read", tenant="other", env="live", on=service)
    assert (await other.get("/v1/insights/lift")).json()["computedAt"] is None


async def test_nothing_new_is_not_measured_again(live, service, measure):
    await lived(live, users=3)
    assert await measured(service, measure)
    assert not await measure.attend(LIVE, 1.0)
    assert not await measure.attend(LIVE, 1000.0)
    await live.interact("ada")
    await flushed(service)
    assert await measure.attend(LIVE, 2000.0)


async def test_trouble_with_a_measurement_is_logged_and_ends_nothing(live, service, measure, store, caplog):
    await lived(live, users=3)
    await flushed(service)
    await store.ask("SET", counts(LIVE, await now_ms(store) // DAY_MS), "not a hash")
    assert not await measure.attend(LIVE, 0.0)
    assert "What learning is worth to acme:live could not be measured" in caplog.text


# Reporting


async def test_who_reports_is_told_by_group_day_and_option(live, service, measure):
    for user in range(60):
        request_id = await live.decided(f"user {user}")
        if user % 3 == 0:
            assert (await live.outcome(request_id, completed=False)).status_code == 200
    assert await measured(service, measure)
    told = (await live.get("/v1/insights/reporting")).json()
    assert told["all"] == {"decided": 60, "reported": 20, "rate": pytest.approx(1 / 3)}
    assert told["learned"]["decided"] + told["control"]["decided"] == 60
    assert min(told["learned"]["decided"], told["control"]["decided"]) > 0
    assert told["windowOpen"]
    (day,) = told["byDay"]
    assert (day["windowOpen"], day["learned"], day["control"]) == (True, told["learned"], told["control"])
    framing = [each for each in told["byOption"] if each["dimension"] == "suggestedFraming"]
    assert sum(each["decided"] for each in framing) == 60
    assert sum(each["reported"] for each in framing) == 20
    assert {each["meanReward"] for each in framing if each["reported"]} == {0.375}
    assert len(told["byOption"]) == len({(each["dimension"], each["option"]) for each in told["byOption"]})


async def test_decisions_alone_are_news(live, service, measure):
    await live.decided("ada")
    assert await measured(service, measure)
    assert (await live.get("/v1/insights/reporting")).json()["all"]["decided"] == 1
    assert (await live.get("/v1/insights/lift")).json()["verdict"] == "no outcomes yet"


async def test_a_report_counts_once_however_often_it_is_sent(live, service, measure):
    request_id = await live.decided("ada")
    for fields in ({"final": False}, {"final": False}, {"final": False, "step": 1}, {"completed": True}):
        assert (await live.outcome(request_id, **fields)).status_code == 200
    await measured(service, measure)
    assert (await live.get("/v1/insights/reporting")).json()["all"] == {
        "decided": 1,
        "reported": 1,
        "rate": 1.0,
    }


async def test_two_workers_count_together_and_a_restarted_one_adds_to_what_it_had(
    live, service, measure, serve, caller
):
    other = await serve(control_share=SHARE)
    second = await caller(*SCOPES, env="live", on=other)
    request_id = await live.decided("ada")
    await flushed(service)
    assert (await second.outcome(request_id)).status_code == 200
    await second.decided("bob")
    await flushed(other)
    await live.decided("cid")
    await flushed(service)
    await flushed(service)  # nothing new: what was written stays as it is
    assert await measured(service, measure)
    told = (await live.get("/v1/insights/reporting")).json()
    assert (told["all"]["decided"], told["all"]["reported"]) == (3, 1)


async def test_what_was_counted_is_written_at_shutdown(running, caller, store):
    app, acme = create(Settings(secret=SECRET), store), Tenant("acme", "test")
    async with running(app):
        await (await caller(on=app)).decided("ada")
        assert await kept_on(store).counted(acme, await now_ms(store)) == {}
    (day,) = (await kept_on(store).counted(acme, await now_ms(store))).values()
    assert day.all == (1, 0)


async def now_ms(store):
    return int((await store.ask("TIME"))[0]) * 1000


async def test_counts_wait_for_a_store_that_is_down(live, service, measure, outage):
    await live.decided("ada")
    with outage():
        await flushed(service)
    await flushed(service)
    await measure.attend(LIVE, 0.0)
    assert (await live.get("/v1/insights/reporting")).json()["all"]["decided"] == 1


async def test_a_batch_counts_each_of_its_items(live, service, measure):
    items = [{"userId": f"user {user}", "task": "test"} for user in range(5)] + [{"userId": "", "task": "x"}]
    answer = await live.post("/v1/context/batch", json={"items": items})
    ids = [each["requestId"] for each in answer.json()["items"] if "requestId" in each]
    reports = [{"requestId": each, "started": True} for each in ids[:3]]
    assert (await live.post("/v1/outcome/batch", json={"items": reports})).status_code == 200
    await measured(service, measure)
    told = (await live.get("/v1/insights/reporting")).json()
    assert (told["all"]["decided"], told["all"]["reported"]) == (5, 3)


class TestState:
    """GET /v1/insights/state: what decides now, and what changed."""

    async def test_at_first_nothing_has_changed(self, live):
        state = (await live.get("/v1/insights/state")).json()
        assert state == {
            "learner": "hierarchical",
            "mode": "learning",
            "policyVersion": 1,
            "priorVersion": 0,
            "users": 0,
            "outcomes": 0,
            "workers": 2,  # of this store: the service, and the one of the fixture `app`
            "workersBehind": 0,
            "fittedAt": None,
            "held": False,
            "changes": [],
        }

    async def test_a_policy_and_a_published_prior_are_changes_and_one_that_was_not_is_none(
        self, live, caller, service
    ):
        admin = await caller("admin", env="live", on=service)
        for share in (0.3, 0.2):
            assert (await admin.put("/v1/policy", json={"controlShare": share})).status_code == 200
        fits = service._app.dependencies["state_now"].dependency()._fits
        for version, published in ((1, True), (1, False)):
            record = FitReply("2999-01-01T00:00:00.000Z", version, published, "", users=5, outcomes=1234)
            await fits.remember(LIVE, record)
        changes = (await live.get("/v1/insights/state")).json()["changes"]
        assert [(each["kind"], each["version"], each["says"]) for each in changes] == [
            ("prior", 1, "Fitted to 1,234 outcomes of 5 users."),
            ("policy", 3, "controlShare: 0.3 → 0.2"),
            ("policy", 2, f"controlShare: {SHARE} → 0.3"),
        ]

    async def test_another_tenants_changes_are_not_there(self, live, caller, service):
        admin = await caller("admin", tenant="other", env="live", on=service)
        await admin.put("/v1/policy", json={"controlShare": 0.3})
        assert (await live.get("/v1/insights/state")).json()["changes"] == []
