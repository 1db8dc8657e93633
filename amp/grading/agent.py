"""The role that works: what it is told of a turn, and the one that calls a model."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from amp.grading.draft import Message, Phase, Said, ToolUse
from amp.grading.model import Ask, Model
from amp.grading.patience import Patience
from amp.grading.tools import TOOLS, Folder, use
from amp.grading.transcript import AGENT, conversation
from amp.grading.types import Event, Mark, Usage

CALLS_MAX = 64
"""Uses of tools in one answer; what comes after them is left out, and may be asked for again."""


class Turn(NamedTuple):
    """What an agent is told. It never sees the rubric."""

    session: str
    request: str
    """The id of this model request's start: the same when it is tried again."""
    kind: Phase
    """`turn`, `closing` (say what was delivered; nobody grades it) or `chat`."""
    log: Sequence[Event]
    folder: Folder
    system: str | None = None
    metadata: Mapping[str, str] = {}
    description: str = ""
    """Of the outcome; empty in a chat."""
    number: int = 0
    """Which of the session's outcomes it is, from 0."""
    iteration: int = 0
    gaps: Sequence[Mark] = ()
    explanation: str = ""


class Reply(NamedTuple):
    """One model request's worth of work."""

    said: Sequence[Said]
    usage: Usage = Usage()
    done: bool = True
    """The turn is over; else the agent is asked again, with what it just did in the log."""


class Agent(Protocol):
    """Who works."""

    async def act(self, turn: Turn, patience: Patience) -> Reply:
        """Does the next piece of a turn.

        Raises:
            RoleBroke: it cannot.
        """
        ...


class ModelAgent:
    """Calls a model, and lets it use the tools for files."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def act(self, turn: Turn, patience: Patience) -> Reply:
        system = "\n\n".join(part for part in (turn.system, AGENT) if part)
        ask = Ask(system, conversation(turn.log), () if turn.kind == "closing" else TOOLS)
        answer = await patience.call(lambda: self._model.complete(ask))
        said: list[Said] = [Message(answer.text)] if answer.text.strip() else []
        for call in answer.calls[:CALLS_MAX]:
            used = await use(turn.folder, call.name, call.input)
            said.append(ToolUse(call.name, call.input, used.text, used.is_error))
        return Reply(said, answer.usage, done=not answer.calls)
