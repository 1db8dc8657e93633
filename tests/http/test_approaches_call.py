"""GET /v1/insights/approaches: what the crowd prefers in a context, what is served, and how it came to be."""

from dataclasses import replace

import numpy as np
import pytest
from envelopes import refused
from measuring import LIVE, lived, measured, measuring
from test_population import DAY_MS, fitted

from amp.learning import fit_store, prior_wire, rows
from amp.learning import store as learning_store
from amp.learning.admin_wire import FitReply
from amp.learning.approaches import PUBLISHED
from amp.learning.fit_store import FitStore
from amp.learning.preferred import PRIORS_TOLD
from amp.learning.prior import POPULATION_DRAWS
from amp.learning.store import LearningStore
from amp.store.functions import Functions

NOW = "/v1/insights/approaches"
THEN = "/v1/insights/approaches/history"


@pytest.fixture
def kept(store):
    functions = Functions(store, [learning_store.LIBRARY, fit_store.LIBRARY])
    return (
        LearningStore(store, functions, window_ms=DAY_MS, retention_ms=DAY_MS),
        FitStore(store, functions, retention_ms=DAY_MS),
    )


async def published(kept, version, *, at="2026-11-05T10:00:00.000Z", worth=-0.2):
    """A prior under which encouragement "none" leads, the more so the lower `worth` is."""
    facts, fits = kept
    mean = np.r_[fitted().mean[:-1], worth]
    found = replace(fitted(), version=version, mean=mean, mean_draws=np.tile(mean, (POPULATION_DRAWS, 1)))
    await facts.publish(LIVE, version, prior_wire.encode(found))
    await fits.name_tasks(LIVE, {rows.task_hash("coding"): "coding"})
    await fits.remember(LIVE, FitReply(at, version, published=True, reason="", users=31, outcomes=310))


async def asked(client, path=NOW, **context):
    answer = await client.get(path, params=context)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_before_anybody_taught_it(caller):
    body = await asked(await caller("read"))
    assert (body["priorVersion"], body["users"], body["taskTypes"], body["servedAt"]) == (0, 0, [], None)
    assert (body["taskType"], body["complexity"], body["taskTypeKnown"]) == (None, None, False)
    assert [each["dimension"] for each in body["dimensions"]] == [each.name for each in PUBLISHED.dimensions]
    for dimension in body["dimensions"]:
        assert dimension["lead"] == 0.0
        for option in dimension["options"]:
            assert option["offered"]
            assert option["low"] < option["expectedReward"] < option["high"]
            assert option["userSd"] > 0
            assert option["learned"] == option["control"] == {"decided": 0, "reported": 0, "rate": None}
    assert [each["complexity"] for each in body["contexts"]] == [None, "low", "medium", "high"]
    assert (await asked(await caller("read"), THEN))["priors"] == []


async def test_a_context_has_its_own_default_and_it_is_that_of_the_population(serve, caller, kept):
    await published(kept, 1)
    client = await caller("read", env="live", on=await serve())
    usual, coding = await asked(client), await asked(client, taskType=" Coding ", complexity="high")
    assert (coding["taskType"], coding["taskTypeKnown"], coding["complexity"]) == ("coding", True, "high")
    assert usual["taskTypes"] == ["coding"]
    assert usual["dimensions"][3]["default"] == "none"
    assert coding["dimensions"][3]["default"] != "none"
    believed = (await client.get("/v1/insights/population")).json()
    by_context = {(each["taskType"], each["complexity"]): each["dimensions"] for each in believed["contexts"]}
    for body, context in ((usual, (None, None)), (coding, ("coding", "high"))):
        for dimension, told in zip(body["dimensions"], by_context[context], strict=True):
            assert (dimension["default"], dimension["lead"]) == (told["option"], told["lead"])
            assert dimension["strength"] == told["strength"]
            of = {each["option"]: each for each in dimension["options"]}[told["option"]]
            assert of["expectedReward"] == told["expectedReward"]
            assert of["probabilityBest"] == told["probabilityBest"]
    assert [(each["taskType"], each["complexity"]) for each in usual["contexts"]] == [
        context for context in by_context if not (context[0] and context[1])
    ]


async def test_a_task_type_that_the_prior_does_not_tell_apart_is_said_to_be_so(serve, caller, kept):
    await published(kept, 1)
    client = await caller("read", env="live", on=await serve())
    usual, unknown = await asked(client), await asked(client, taskType="gardening")
    assert (unknown["taskType"], unknown["taskTypeKnown"]) == ("gardening", False)
    assert unknown["dimensions"] == usual["dimensions"]


async def test_what_is_served_by_group_adds_up(serve, caller, store):
    service = await serve(control_share=0.4)
    client = await caller("context", "outcome", "read", env="live", on=service)
    groups = await lived(client, users=60, times=1)
    await measured(service, measuring(store))
    body = await asked(client)
    reporting = (await client.get("/v1/insights/reporting")).json()
    for dimension in body["dimensions"]:
        for group in ("learned", "control"):
            decided = sum(option[group]["decided"] for option in dimension["options"])
            assert decided == groups.count(group) == reporting[group]["decided"]
        control = [option["control"]["decided"] for option in dimension["options"]]
        assert sorted(control)[:-1] == [0, 0, 0], "controls are all served the default"
    counted = {(each["dimension"], each["option"]): each for each in reporting["byOption"]}
    for dimension in body["dimensions"]:
        for option in dimension["options"]:
            of = counted.get((dimension["dimension"], option["option"]))
            if of:
                assert option["learned"]["decided"] + option["control"]["decided"] == of["decided"]
                assert option["control"] == of["control"]
                assert option["meanReward"] == of["meanReward"]
    assert body["servedAt"] == reporting["computedAt"]


async def test_a_paused_option_is_counted_and_not_believed(caller):
    client = await caller("context", "read", "admin")
    policy = (await client.get("/v1/policy")).json()
    dimensions = policy["dimensions"]
    dimensions[0]["options"][1]["state"] = "paused"
    assert (await client.put("/v1/policy", json={"dimensions": dimensions})).status_code == 200
    body = await asked(client)
    framing = body["dimensions"][0]["options"]
    assert [each["offered"] for each in framing] == [True, False, True, True]
    assert (framing[1]["expectedReward"], framing[1]["strength"]) == (None, None)


async def test_over_time_each_prior_that_is_kept_has_its_say(serve, caller, kept):
    for version, worth in ((1, -0.1), (2, -0.3)):
        await published(kept, version, at=f"2026-11-0{version}T10:00:00.000Z", worth=worth)
    client = await caller("read", env="live", on=await serve())
    for _ in range(2):  # the second time from memory
        body = await asked(client, THEN)
        told = [(each["priorVersion"], each["at"][:10]) for each in body["priors"]]
        assert told == [(1, "2026-11-01"), (2, "2026-11-02")]
        assert [(each["users"], each["outcomes"]) for each in body["priors"]] == [(31, 310)] * 2
    assert body["fits"] == (await client.get("/v1/insights/population")).json()["fits"]
    worth = [each["dimensions"][3]["options"][3]["expectedReward"] for each in body["priors"]]
    assert worth[0] < worth[1]
    newest = (await asked(client))["dimensions"][3]["options"][3]
    last = body["priors"][-1]["dimensions"][3]["options"][3]
    assert {name: newest[name] for name in last} == last
    coding = await asked(client, THEN, taskType="coding")
    assert coding["taskType"] == "coding"
    assert coding["priors"][0]["dimensions"] != body["priors"][0]["dimensions"]
    other = await caller("read", tenant="zoo", env="live")
    assert (await asked(other, THEN))["priors"] == []


async def test_of_many_priors_some_are_told_with_the_first_and_the_last(serve, caller, kept):
    for version in range(1, PRIORS_TOLD + 10):
        await published(kept, version)
    client = await caller("read", env="live", on=await serve())
    told = [each["priorVersion"] for each in (await asked(client, THEN))["priors"]]
    assert (told[0], told[-1], len(told)) == (1, PRIORS_TOLD + 9, PRIORS_TOLD)


async def test_a_prior_that_is_gone_is_left_out(serve, caller, kept, store):
    await published(kept, 1)
    await published(kept, 2)
    await store.ask("DEL", "{acme:live}:prior:1")
    client = await caller("read", env="live", on=await serve())
    assert [each["priorVersion"] for each in (await asked(client, THEN))["priors"]] == [2]


@pytest.mark.parametrize("context", [{"complexity": "vast"}, {"taskType": "a" * 65}])
async def test_a_context_that_cannot_be(caller, context):
    client = await caller("read")
    for path in (NOW, THEN):
        refused(await client.get(path, params=context), 400, "INVALID_PARAMETER")
