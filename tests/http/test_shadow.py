"""Shadow mode: the operator's baseline is served, and what amp would have picked is logged."""

import pytest

from amp.learning import policies, rows
from amp.learning.approaches import PUBLISHED
from amp.learning.policies import InForce
from amp.learning.types import Policy
from amp.store.keys import user_keys
from amp.tenancy import Tenant

OWN = (1, 2, 0, 3)
TENANT = Tenant("acme", "test")


@pytest.fixture
def ruled(monkeypatch, serve, caller):
    """A client of a service under a policy of the test's own."""

    async def make(**rules):
        monkeypatch.setattr(policies, "first", lambda _: InForce(Policy(**rules), PUBLISHED))
        return await caller("context", "outcome", "profile", on=await serve())

    return make


def approach(body):
    return tuple(dimension.options.index(body[dimension.name]) for dimension in PUBLISHED.dimensions)


async def events(store, user="ada"):
    entries = await store.ask("XRANGE", user_keys(TENANT, user).events, "-", "+")
    return [dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in entries]


async def test_the_baseline_is_served_and_both_choices_are_logged(ruled, store):
    client = await ruled(mode="shadow", baseline=OWN, explore_floor=1.0)
    for number in range(20):
        body = (await client.context(exclude={"suggestedFraming": ["challenge"]})).json()
        assert approach(body) == OWN
        assert body["metadata"]["shadow"] is True
        assert body["metadata"]["group"] == "learned"
        assert body["metadata"]["explorationMode"] is False
        assert (await client.outcome(body["requestId"], completed=number % 2 == 0)).status_code == 200
    logged = await events(store)
    history = rows.unpack(b"".join(each[b"r"] for each in logged))
    assert set(history["combination"].tolist()) == {PUBLISHED.combination(OWN)}
    assert rows.has(history, rows.SHADOW, "circumstance").all()
    hidden = [int(each[b"s"]) for each in logged]
    assert len(set(hidden)) > 5
    assert {int(PUBLISHED.options_of[each][0]) for each in hidden} <= {0, 1, 2}
    assert {each[b"x"] for each in logged} == {b"8"}


async def test_shadows_are_counted_apart(ruled):
    client = await ruled(mode="shadow", baseline=OWN)
    line = 'amp_contexts_total{group="learned",how="shadow"} '
    before = (await client.get("/metrics")).text.partition(line)[2].split("\n")[0] or 0
    await client.context()
    after = (await client.get("/metrics")).text.partition(line)[2].split("\n")[0]
    assert float(after) == float(before) + 1


async def test_a_shadow_teaches(ruled):
    """The likelihood does not care who chose."""
    client = await ruled(mode="shadow", baseline=OWN)
    await client.interact(times=3, completed=True)
    body = (await client.context()).json()
    assert body["metadata"]["interactionCount"] == 3
    posterior = (await client.get("/v1/profile/ada/posterior")).json()
    assert posterior["userWeight"] > 0


async def test_outside_shadow_mode_nothing_of_it_is_said_or_kept(ruled, store):
    client = await ruled()
    body = (await client.context()).json()
    assert "shadow" not in body["metadata"]
    await client.outcome(body["requestId"])
    (event,) = await events(store)
    assert set(event) == {b"a", b"r"}
    assert not rows.has(rows.unpack(event[b"r"]), rows.SHADOW, "circumstance").any()


async def test_what_a_user_wants_holds_in_shadow_mode_too(ruled):
    client = await ruled(mode="shadow", baseline=OWN)
    await client.put("/v1/profile/ada", json={"preferredFraming": "challenge"})
    assert approach((await client.context()).json()) == (3, *OWN[1:])
    assert approach((await client.context("bob")).json()) == OWN
