"""What belongs to the user: preferences, locks, a copy of everything, and being forgotten."""

import pytest

pytestmark = pytest.mark.cluster

FRAMING = "suggestedFraming"


async def prefer(client, user="ada", **fields):
    answer = await client.put(f"/v1/profile/{user}", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def framings(client, times, user="ada"):
    return [(await client.context(user)).json()[FRAMING] for _ in range(times)]


async def test_a_preference_is_kept_and_leans_on_every_decision(client):
    """A stated preference creates the profile and is a strong prior for its option."""
    profile = await prefer(client, preferredFraming="micro_task")
    assert profile["preferredFraming"] == "micro_task"

    shown = await framings(client, 20)
    assert shown.count("micro_task") > 10


async def test_outcomes_move_a_preference_that_is_not_locked(client):
    """What the user does speaks against what the user said."""
    stated = await prefer(client, preferredFraming="micro_task")
    for _ in range(12):
        context = (await client.context("ada")).json()
        await client.outcome(context["requestId"], started=context[FRAMING] != "micro_task")
    assert (await client.get("/v1/profile/ada")).json()["framingConfidence"] < stated["framingConfidence"]


async def test_a_lock_is_obeyed_until_it_is_lifted(client):
    """`lock: true` leaves no other choice, whatever the outcomes; `null` gives the choice back."""
    profile = await prefer(client, preferredFraming="micro_task", lock=True)
    assert profile["locked"] == ["preferredFraming"]
    await client.interact("ada", times=8, started=False)
    assert set(await framings(client, 10)) == {"micro_task"}

    assert (await prefer(client, preferredFraming=None))["locked"] == []
    assert set(await framings(client, 40)) - {"micro_task"}


async def test_only_what_is_sent_changes(client):
    """An update is partial, and metadata is merged key by key."""
    await prefer(client, preferredFraming="learning", metadata={"team": "a", "role": "dev"})
    profile = await prefer(client, encouragementLevel="none", metadata={"team": "b", "role": None})

    assert profile["preferredFraming"] == "learning"
    assert profile["encouragementLevel"] == "none"
    assert profile["metadata"] == {"team": "b"}


async def test_a_control_group_measures_the_gain(serve, caller):
    """On live keys some users get the population's default for good; their locks hold all the same."""
    client = await caller(env="live", on=await serve(control_share=1.0))
    default = (await client.context("bob")).json()
    assert default["metadata"]["group"] == "control"
    await client.interact("ada", times=6, started=False)
    assert set(await framings(client, 5)) == {default[FRAMING]}

    await prefer(client, preferredFraming="micro_task", lock=True)
    assert set(await framings(client, 5)) == {"micro_task"}


async def test_the_user_can_take_everything_home(client):
    """An export holds the profile and each outcome with its approach, signals and metadata."""
    context = (await client.context("ada", taskType=" Coding ")).json()
    await client.outcome(context["requestId"], completed=True, timeToStart=2.5, metadata={"ticket": 7})

    export = (await client.get("/v1/profile/ada/export")).json()
    assert export["profile"] == (await client.get("/v1/profile/ada")).json()
    (interaction,) = export["interactions"]
    assert interaction["approach"][FRAMING] == context[FRAMING]
    assert (interaction["taskType"], interaction["timeToStart"]) == ("coding", 2.5)
    assert interaction["metadata"] == {"ticket": 7}


async def test_a_user_who_is_forgotten_stays_forgotten(client):
    """Erasing takes profile and history, and no request from before it brings them back."""
    reported, pending = await client.decided(), await client.decided()
    await client.outcome(reported, completed=True)
    assert (await client.delete("/v1/profile/ada")).status_code == 204

    for request_id in (reported, pending):
        assert (await client.outcome(request_id, completed=True)).status_code == 410
    assert (await client.get("/v1/profile/ada")).status_code == 404
    assert (await client.context("ada")).json()["metadata"]["interactionCount"] == 0


async def test_the_same_user_of_another_tenant_is_another_user(client, caller):
    """Tenants never meet, and neither do live and test data."""
    await client.interact("ada", completed=True)
    for stranger in (await caller(tenant="other"), await caller(env="live")):
        assert (await stranger.get("/v1/profile/ada")).status_code == 404
