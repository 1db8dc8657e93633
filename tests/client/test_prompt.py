"""A context in words."""

import msgspec
import pytest
from stand_in import CONTEXT

from amp.client import Context, prompt
from amp.learning.approaches import PUBLISHED

FIELDS = {
    "suggestedFraming": "suggested_framing",
    "communicationStyle": "communication_style",
    "complexity": "complexity",
    "encouragement": "encouragement",
}


def context(**options):
    return msgspec.convert(CONTEXT | options, Context)


@pytest.mark.parametrize("dimension", PUBLISHED.dimensions, ids=lambda dimension: dimension.name)
def test_every_option_of_the_contract_has_an_instruction_of_its_own(dimension):
    texts = {prompt(context(**{dimension.name: option})) for option in dimension.options}
    assert len(texts) == len(dimension.options)
    for text in texts:
        assert len(text.splitlines()) == len(FIELDS)
        assert ": " not in text.replace("briefly: ", "").replace("direct: ", ""), "no option went by its name"


def test_an_option_of_a_newer_server_is_named_as_it_is():
    assert "Communication style: socratic dialogue." in prompt(
        context(communicationStyle="socratic_dialogue")
    )


def test_the_prompt_tells_the_agent_what_was_chosen():
    assert prompt(context()).splitlines() == [
        "Frame the task as a challenge of the user's skill, and set a clear bar to beat.",
        "Use precise technical language, and assume that the user knows the field.",
        "Give hints that lead the user on, and leave the solution to them.",
        "Leave encouragement out and keep to the matter.",
    ]
