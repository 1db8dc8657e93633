"""A server whose dimensions are the tenant's own: what they are called is read off its answers."""

import json

from amp.client import calls, prompt
from amp.client.types import Context
from amp.client.wire import Reply

METADATA = {"profilePhase": "learning", "interactionCount": 7}
CORE = {"requestId": "req_x", "confidence": 0.5, "rationale": "Because.", "metadata": METADATA}
FOUR = {
    "suggestedFraming": "micro_task",
    "communicationStyle": "technical",
    "complexity": "hints_only",
    "encouragement": "none",
}


def told(**fields):
    """The context of an answer with these fields."""
    return calls.context(b"{}").read(Reply(200, {}, json.dumps(fields).encode()))


def test_the_approach_is_every_dimension_of_the_answer_whatever_they_are_called():
    assert told(**CORE, tone="dry", **{"pace-of-work": "own"}).approach == {
        "tone": "dry",
        "pace-of-work": "own",
    }
    assert told(**CORE, **FOUR).approach == FOUR
    mixed = told(**CORE, complexity="hints_only", tone="dry")
    assert (mixed.approach, mixed.complexity) == ({"complexity": "hints_only", "tone": "dry"}, "hints_only")
    assert mixed.suggested_framing == ""


def test_a_context_made_by_hand_has_its_four():
    made = Context(
        request_id="req_x",
        suggested_framing="learning",
        communication_style="technical",
        complexity="high_level",
        encouragement="high",
        confidence=0.1,
        rationale="",
        metadata=told(**CORE, **FOUR).metadata,
    )
    assert list(made.approach) == list(FOUR)
    assert made.approach["suggestedFraming"] == "learning"


def test_each_item_of_a_batch_has_its_own():
    items = [{**CORE, "tone": "dry"}, {**CORE, **FOUR}]
    read = calls.contexts([b"{}", b"{}"]).read
    first, second = read(Reply(200, {}, json.dumps({"items": items}).encode()))
    assert (first.approach, second.approach) == ({"tone": "dry"}, FOUR)


def test_a_prompt_names_what_it_does_not_know():
    text = prompt(told(**CORE, suggestedFraming="micro_task", toneOfVoice="very_dry"))
    assert text.splitlines()[0].startswith("Frame the task as one very small next step")
    assert text.splitlines()[1] == "Tone of voice: very dry."


def test_a_profile_is_changed_and_read_by_the_tenants_own_names():
    call = calls.update_profile("ada", {"preferences": {"likesTone": "dry", "pace": None}, "lock": True})
    assert json.loads(call.request.body) == {"likesTone": "dry", "pace": None, "lock": True}
    answer = {"userId": "ada", "likesTone": "dry", "toneConfidence": 0.8, "totalInteractions": 3}
    profile = call.read(Reply(200, {}, json.dumps(answer | {"profileVersion": "x"}).encode()))
    assert (profile.preferences, profile.preferred_framing) == ({"likesTone": "dry"}, "")
    assert json.loads(calls.update_profile("ada", {"encouragement_level": None}).request.body) == {
        "encouragementLevel": None
    }
