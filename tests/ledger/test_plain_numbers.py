"""An amount is written in plain digits, or it is refused by its field's name; never guessed at."""

import pytest
from calls import COMPLETIONS, TOOL_EVENTS, completion, everything, job, refused, tool_event

from amp.errors import InvalidParameter
from amp.exits import CommandFailed
from amp.ledger import filters
from amp.terminal import books

ODD = [
    "1_000",
    "\uff11\uff12",
    "\u0663",
    " 1",
    "1\n",
    "1 000",
    "1,5",
    "NaN",
    "-Infinity",
    "sNaN1",
    "0x1f",
    "1e",
    ".",
    "",
]
"""Python takes the first five for numbers, and two more for decimals."""
PLAIN = {"1000": 1000, "12.50": 12.5, "1e3": 1000, "-0.5": -0.5, ".5": 0.5, "+2.": 2}
COSTS = ["totalCost", "inputTokenCost", "outputTokenCost", "cacheCreationTokenCost", "cacheReadTokenCost"]


@pytest.mark.parametrize("odd", ODD)
async def test_an_outcome_and_its_amendment_are_refused(client, facts, odd):
    await client.post(COMPLETIONS, json=completion())
    said = {"executionStatus": "SUCCESS", "outcomeValue": odd}
    for verb in ("POST", "PATCH"):
        answer = await client.request(verb, job("job-1", "outcome"), json=said)
        assert "plain digits" in answer.json()["message"]
        refused(answer, 400, "invalid_parameter", "outcomeValue")
    assert len(await everything(facts)) == 1


@pytest.mark.parametrize("field", [*COSTS, "costMultiplier"])
async def test_a_completion_is_refused(client, facts, field):
    for odd in ODD:
        answer = await client.post(COMPLETIONS, json=completion(**{field: odd}))
        refused(answer, 400, "invalid_parameter", field)
    batch = await client.post("/v1/ledger/meter/batch", json={"items": [completion(**{field: "1_0"})]})
    assert batch.json()["items"][0]["details"]["field"] == field
    assert await everything(facts) == []


async def test_a_tool_event_is_refused(client, facts):
    for odd in ODD:
        answer = await client.post(TOOL_EVENTS, json=tool_event(costUsd=odd))
        refused(answer, 400, "invalid_parameter", "costUsd")
    assert await everything(facts) == []


@pytest.mark.parametrize(("text", "value"), PLAIN.items())
async def test_plain_digits_may_be_text(client, text, value):
    await client.post(COMPLETIONS, json=completion())
    answer = await client.post(
        job("job-1", "outcome"), json={"executionStatus": "SUCCESS", "outcomeValue": text}
    )
    assert answer.json()["outcomeValue"] == value


@pytest.mark.parametrize("version", ["1_0", "\uff11", " 1", "+1", ""])
async def test_a_version_is_plain_digits_too(client, version):
    await client.post(COMPLETIONS, json=completion())
    await client.post(job("job-1", "outcome"), json={"executionStatus": "SUCCESS"})
    answer = await client.patch(job("job-1", "outcome"), json={"expectedEntityVersion": version})
    refused(answer, 400, "invalid_parameter", "expectedEntityVersion")


LISTED = [
    ("pricing", {"provider": "p", "model": "m", "input": "1_0", "output": 1}, "entries[0].input"),
    (
        "pricing",
        {"provider": "p", "model": "m", "input": 1, "output": 1, "batch": "\uff11"},
        "entries[0].batch",
    ),
    ("tools", {"toolId": "t", "price": " 1"}, "entries[0].price"),
    ("rates", {"from": "EUR", "to": "USD", "rate": "1_0"}, "entries[0].rate"),
]


@pytest.mark.parametrize(("kind", "entry", "field"), LISTED)
async def test_a_list_is_refused_by_the_entry_and_its_field(caller, kind, entry, field):
    client = await caller("admin")
    answer = await client.put(f"/v1/ledger/{kind}", json={"entries": [entry]})
    refused(answer, 400, "invalid_parameter", field)


@pytest.mark.parametrize("odd", [odd for odd in ODD if odd])
def test_a_filter_and_the_command_line_are_refused(odd):
    for name in ("outcomeValueMin", "outcomeValueMax"):
        with pytest.raises(InvalidParameter) as refusal:
            filters.read({name: odd})
        assert refusal.value.details["field"] == name
    with pytest.raises(CommandFailed) as failure:
        books.amount(odd, "RATE")
    assert str(failure.value).startswith("RATE must be a number in plain digits")


@pytest.mark.parametrize("text", PLAIN)
def test_the_command_line_takes_plain_digits(text):
    assert float(books.amount(text, "RATE")) == PLAIN[text]
