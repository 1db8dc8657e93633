"""A context in words: text for an agent's system prompt."""

import re
from typing import Any

from amp.client.types import Context

_INSTRUCTIONS = {
    "suggested_framing": {
        "achievement": "Frame the task as a goal to reach, and name the win that finishing it brings.",
        "learning": "Frame the task as a chance to learn, and say what the user will know after it.",
        "micro_task": "Frame the task as one very small next step that can be started within a minute.",
        "challenge": "Frame the task as a challenge of the user's skill, and set a clear bar to beat.",
    },
    "communication_style": {
        "brief_directive": "Be brief and direct: say what to do in as few words as will do.",
        "detailed_explanatory": "Explain in detail, with the reasons behind each point.",
        "conversational": "Write as in a friendly conversation, in plain words.",
        "technical": "Use precise technical language, and assume that the user knows the field.",
    },
    "complexity": {
        "full_solution": "Give the complete solution, ready to use.",
        "break_into_steps": "Break the work into small numbered steps, each with a clear end.",
        "hints_only": "Give hints that lead the user on, and leave the solution to them.",
        "high_level": "Stay with the overall approach and its main decisions, and leave out the details.",
    },
    "encouragement": {
        "high": "Encourage warmly and often, and acknowledge every bit of progress.",
        "moderate": "Encourage now and then, where progress deserves it.",
        "minimal": "Keep encouragement to a few words, at the end at most.",
        "none": "Leave encouragement out and keep to the matter.",
    },
}


def prompt(context: Context[Any]) -> str:
    """One instruction a dimension, one a line; what this client does not know is named as it is."""
    return "\n".join(_instruction(dimension, option) for dimension, option in context.approach.items())


def _instruction(dimension: str, option: str) -> str:
    name = _words(dimension)
    known = _INSTRUCTIONS.get(name.replace(" ", "_"), {}).get(option)
    return known or f"{name.capitalize()}: {_words(option)}."


def _words(name: str) -> str:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_-]", " ", name)
    return apart.lower()
