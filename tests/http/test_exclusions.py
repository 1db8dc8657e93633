"""`exclude` of POST /v1/context: what a request rules out, and that the decision can be made again."""

import pytest
from envelopes import refused

from amp.client import AsyncAMP
from amp.learning import rows
from amp.learning.approaches import PUBLISHED
from amp.learning.choice import choose
from amp.learning.prior import shipped
from amp.learning.types import Ask, Context, Policy
from amp.store.keys import user_keys
from amp.tenancy import Tenant

NO_PRAISE = {"encouragement": ["high", "moderate", "none"], "suggestedFraming": ["challenge"]}


async def test_what_is_excluded_is_not_suggested(serve, caller):
    """Not even by the floor, which decides every time here."""
    client = await caller(on=await serve(explore_floor=1.0))
    for _ in range(30):
        body = (await client.context(exclude=NO_PRAISE)).json()
        assert body["encouragement"] == "minimal"
        assert body["suggestedFraming"] != "challenge"
        assert body["metadata"]["dimensionConfidence"]["encouragementConfidence"] == 1.0


async def test_an_exclusion_beats_a_lock_for_its_own_request_and_no_longer(client):
    await client.put("/v1/profile/ada", json={"encouragementLevel": "none", "lock": True})
    assert (await client.context(exclude={"encouragement": ["none"]})).json()["encouragement"] != "none"
    assert (await client.context()).json()["encouragement"] == "none"


@pytest.mark.parametrize(
    ("exclude", "reason"),
    [
        ({"tone": ["warm"]}, "'tone' is no dimension; there are suggestedFraming, "),
        ({"encouragement": ["loud"]}, "'loud' is no encouragement; there are high, moderate, minimal, none"),
        ({"encouragement": ["high", "moderate", "minimal", "none"]}, "must leave at least one encouragement"),
    ],
)
async def test_a_bad_exclusion_is_refused_by_name(client, exclude, reason):
    details = refused(await client.context(exclude=exclude), 400, "INVALID_PARAMETER")
    assert details["field"] == "exclude"
    assert details["reason"].startswith(reason)


@pytest.mark.parametrize("exclude", ["none", ["none"], {"encouragement": "none"}, {"encouragement": [1]}])
async def test_an_exclusion_of_the_wrong_type_is_refused(client, exclude):
    details = refused(await client.context(exclude=exclude), 400, "INVALID_PARAMETER")
    assert details["field"].startswith("exclude")


@pytest.mark.parametrize("exclude", [None, {}, {"encouragement": []}])
async def test_nothing_excluded_is_nothing_said(client, exclude):
    answer = await client.context(exclude=exclude)
    assert answer.status_code == 200
    assert len(answer.json()["requestId"]) == len(await client.decided())


async def test_a_batch_excludes_item_by_item(client):
    items = [
        {"userId": "ada", "task": "t", "exclude": NO_PRAISE},
        {"userId": "ada", "task": "t", "exclude": {"tone": []}},
        {"userId": "ada", "task": "t"},
    ]
    answers = (await client.post("/v1/context/batch", json={"items": items})).json()["items"]
    assert answers[0]["encouragement"] == "minimal"
    assert answers[1]["error"]["details"]["field"] == "exclude"
    assert "requestId" in answers[2]


async def test_a_decision_with_exclusions_can_be_made_again_from_the_log(client, store):
    """The event keeps the mask beside the row: with nonce, prior and history it is the whole decision."""
    answer = await client.context(exclude=NO_PRAISE)
    await client.outcome(answer.json()["requestId"])
    await client.interact()
    events = await store.ask("XRANGE", user_keys(Tenant("acme", "test"), "ada").events, "-", "+")
    fields = [dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in events]
    assert [each.get(b"x") for each in fields] == [b"%d" % 0b1011_0000_0000_1000, None]

    (row,) = rows.unpack(fields[0][b"r"])
    ask = Ask(rows.unpack(b""), Context(), int(row["nonce"]), excluded=int(fields[0][b"x"]))
    again = choose([ask], shipped(PUBLISHED), Policy(), PUBLISHED)[0]
    assert again.combination == int(row["combination"])
    assert PUBLISHED.names(again.combination)[3] == answer.json()["encouragement"] == "minimal"


async def test_the_python_client_excludes_one_by_one_and_in_batches(wire, key):
    async with AsyncAMP(await key(), wire, context_deadline_s=5.0) as amp:
        one = await amp.get_context("ada", "t", exclude=NO_PRAISE)
        (other,) = await amp.get_contexts([{"user_id": "ada", "task": "t", "exclude": NO_PRAISE}])
        assert (one.encouragement, other.encouragement) == ("minimal", "minimal")
        refused_in_words = await amp.get_context("ada", "t", exclude={"tone": ["warm"]})
        assert refused_in_words.metadata.fallback == "invalid_parameter"
