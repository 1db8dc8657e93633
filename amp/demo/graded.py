"""Agents work on tasks with a stated outcome and a grader judges them: over the sessions API, scripted."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from amp.client import AMP, Ask
from amp.demo.assignments import Assignment
from amp.demo.calls import PATIENCE_S, Place, call
from amp.demo.through import Told
from amp.exits import CommandFailed

_SESSIONS = "/v1/sessions"
_POLL_S = 0.1
_END_S = 60.0
_SCRIPT = "script"


class Graded(NamedTuple):
    """How one ended."""

    title: str
    result: str
    iterations: int
    """Evaluations that there were."""


def play(place: Place, assignments: Sequence[Assignment], users: Sequence[str], told: Told) -> list[Graded]:
    """All at once, each for a user whose decision it follows, to their ends.

    Raises:
        CommandFailed: the server refused something, or one does not end.
    """
    made = start(place, assignments, users)
    until_s, ended = time.monotonic() + _END_S, dict[str, Graded]()
    while len(ended) < len(made):
        for session, assignment in made.items():
            if session in ended:
                continue
            evaluation = call(place, f"{_SESSIONS}/{session}")["outcome_evaluations"][0]
            if evaluation["completed_at"]:
                ended[session] = Graded(assignment.title, evaluation["result"], _judged(place, session))
                told(1)
            elif assignment.interrupted and evaluation["iteration"] and evaluation["result"] == "running":
                _send(place, session, {"type": "user.interrupt"})
        if time.monotonic() > until_s:
            raise CommandFailed(f"{len(made) - len(ended)} sessions did not end within {_END_S:.0f} s.")
        time.sleep(_POLL_S)
    return [ended[session] for session in made]


def start(place: Place, assignments: Sequence[Assignment], users: Sequence[str]) -> dict[str, Assignment]:
    """Makes the sessions, which begin at once; by their ids."""
    body = {"name": "demo", "config": {"type": "cloud"}}
    environment = call(place, "/v1/environments", body)["id"]
    agents = {name: _agent(place, name) for name in {each.agent: None for each in assignments}}
    found: dict[str, Assignment] = {}
    for assignment, decision in zip(assignments, _decisions(place, assignments, users), strict=True):
        made = call(
            place,
            _SESSIONS,
            {
                "agent": agents[assignment.agent],
                "environment_id": environment,
                "title": assignment.title,
                "metadata": {"outcome_script": assignment.script} | decision,
                "initial_events": [assignment.outcome],
            },
        )
        found[made["id"]] = assignment
    return found


def _agent(place: Place, name: str) -> str:
    body = {"name": name, "model": _SCRIPT, "metadata": {"grader": _SCRIPT}}
    return call(place, "/v1/agents", body)["id"]


def _decisions(place: Place, assignments: Sequence[Assignment], users: Sequence[str]) -> list[dict[str, str]]:
    asks = [
        Ask(user_id=users[number % len(users)], task=each.task, task_type=each.task_type)
        for number, each in enumerate(assignments)
    ]
    with AMP(place.key, place.url, timeout_s=PATIENCE_S, context_deadline_s=PATIENCE_S) as amp:
        contexts = amp.get_contexts(asks)
    return [{} if each.metadata.fallback else {"amp_request_id": each.request_id} for each in contexts]


def _judged(place: Place, session: str) -> int:
    path = f"{_SESSIONS}/{session}/events?types[]=span.outcome_evaluation_end"
    events: list[Any] = call(place, path)["data"]
    return len(events)


def _send(place: Place, session: str, event: dict[str, Any]) -> None:
    call(place, f"{_SESSIONS}/{session}/events", {"events": [event]})
