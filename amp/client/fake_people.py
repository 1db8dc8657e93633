"""The users of the fake server: what is decided for them, reported of them, preferred by them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from amp.client import fake_bodies as bodies
from amp.client.fake_bodies import DIMENSIONS, PREFERENCES, Asked, Reported
from amp.errors import (
    InvalidParameter,
    InvalidRequestId,
    NotFound,
    OutcomeAlreadyReported,
    RequestExpired,
)

CONFIDENCES = {
    "suggestedFraming": "framingConfidence",
    "communicationStyle": "styleConfidence",
    "complexity": "complexityConfidence",
    "encouragement": "encouragementConfidence",
}
APPROACH = {
    "suggestedFraming": "learning",
    "communicationStyle": "technical",
    "complexity": "break_into_steps",
    "encouragement": "minimal",
}
"""What everybody gets until told otherwise; the client's fallback differs in every dimension."""


@dataclass
class Decided:
    """A context that was given."""

    request_id: str
    user: str
    task_type: str
    hour: int
    at_s: float
    approach: dict[str, str]
    erased: bool = False
    report: Reported | None = None
    reported_s: float = 0.0


@dataclass
class Person:
    """What is kept of one user."""

    created_s: float
    updated_s: float
    version: int = 0
    decided: list[Decided] = field(default_factory=list[Decided])
    """The interactions, in the order in which they were reported."""
    preferred: dict[str, str] = field(default_factory=dict[str, str])
    locked: set[str] = field(default_factory=set[str])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


class People:
    """The verbs of the contract on all users; refusals are raised."""

    def __init__(self, clock: Callable[[], float], window_s: float) -> None:
        self._clock = clock
        self.window_s = window_s
        self.approaches: dict[str | None, dict[str, str]] = {None: dict(APPROACH)}
        self.decisions: dict[str, Decided] = {}
        self.persons: dict[str, Person] = {}

    def context(self, ask: Asked) -> dict[str, Any]:
        person = self.persons.get(ask.user_id)
        count = len(person.decided) if person else 0
        approach = self._approach(ask, person)
        out = {name: len(set(options)) for name, options in (ask.exclude or {}).items()}
        request_id = f"req_{len(self.decisions) + 1:024d}"
        hour = _hour(self._clock(), (ask.metadata or {}).get("timezone"))
        decided = Decided(request_id, ask.user_id, ask.task_type or "", hour, self._clock(), approach)
        self.decisions[request_id] = decided
        phase, confidence = _phase(count)
        return {
            "requestId": request_id,
            **approach,
            "confidence": confidence,
            "rationale": f"The fake server suggests {approach['suggestedFraming']} after {count} outcomes.",
            "metadata": {
                "profilePhase": phase,
                "interactionCount": count,
                "explorationMode": False,
                "dimensionConfidence": {
                    CONFIDENCES[name]: 1.0 if len(options) - out.get(name, 0) == 1 else confidence
                    for name, options in DIMENSIONS.items()
                },
                "userWeight": _weight(count),
                "group": "learned",
                "policyVersion": 1,
            },
        }

    def report(self, report: Reported) -> bool:
        """Whether it was only said again."""
        decided = self.decisions.get(report.request_id)
        if decided is None:
            raise InvalidRequestId("requestId is not one that this service gave to this key.")
        if decided.erased:
            raise RequestExpired("This requestId no longer takes an outcome: it was erased.")
        old = decided.report
        if old is not None and _print(old) == _print(report):
            return True
        if old is not None and _stage(report) < _stage(old):
            return True
        if old is not None and _stage(report) == _stage(old):
            raise OutcomeAlreadyReported("A different outcome was already reported for this requestId.")
        now_s = self._clock()
        if old is None and now_s - decided.at_s > self.window_s:
            raise RequestExpired("This requestId no longer takes an outcome: it is too old.")
        person = self._person(decided.user)
        if old is None:
            person.decided.append(decided)
        decided.report, decided.reported_s = report, now_s
        self._touched(person)
        return False

    def change(self, user: str, body: bytes) -> dict[str, Any]:
        change, said = bodies.changed(body)
        person = self.persons.get(user)
        merged = {**(person.metadata if person else {}), **(change.metadata or {})}
        kept = {name: value for name, value in merged.items() if value is not None}
        if len(msgspec.json.encode(kept)) > bodies.METADATA_BYTES:
            raise InvalidParameter("metadata", "the profile's metadata would be too large")
        person = self._person(user)
        person.metadata = kept
        for name, option in said.items():
            if option is None:
                person.preferred.pop(name, None)
                person.locked.discard(name)
            else:
                person.preferred[name] = option
                if change.lock is not None:
                    (person.locked.add if change.lock else person.locked.discard)(name)
        self._touched(person)
        return self.profile(user)

    def profile(self, user: str) -> dict[str, Any]:
        person = self._known(user)
        reports = [each.report for each in person.decided if each.report is not None]
        times = [each.time_to_start for each in reports if each.time_to_start is not None]
        count = len(reports)
        approach = self._approach(Asked(user, "x"), person)
        confidence = _phase(count)[1]
        by_type, done, hours, done_then = Counter[str](), Counter[str](), Counter[int](), Counter[int]()
        for decided, report in zip(person.decided, reports, strict=True):
            if decided.task_type:
                by_type[decided.task_type] += 1
                done[decided.task_type] += bool(report.completed)
            hours[decided.hour] += 1
            done_then[decided.hour] += bool(report.completed)
        return {
            "userId": user,
            **{name: approach[dimension] for name, dimension in PREFERENCES.items()},
            "totalInteractions": count,
            "completionRate": _share(sum(bool(each.completed) for each in reports), count),
            "averageTimeToStart": _mean([min(round(each * 1000), 10**12) / 1000 for each in times]),
            "flowStateFrequency": _share(sum(bool(each.flow_state) for each in reports), count),
            **dict.fromkeys(CONFIDENCES.values(), confidence),
            "taskTypeAffinities": {name: done[name] / number for name, number in by_type.items()},
            "timeOfDayPatterns": [
                {"hour": hour, "interactions": number, "completionRate": done_then[hour] / number}
                for hour, number in sorted(hours.items())
            ],
            "locked": sorted(person.locked),
            "metadata": person.metadata,
            "createdAt": iso(person.created_s),
            "lastUpdated": iso(person.updated_s),
            "profileVersion": str(person.version),
        }

    def erase(self, user: str) -> None:
        self.persons.pop(user, None)
        for decided in self.decisions.values():
            if decided.user == user:
                decided.erased, decided.report = True, None

    def export(self, user: str) -> dict[str, Any]:
        return {"profile": self.profile(user), "interactions": list(map(_told, self._known(user).decided))}

    def posterior(self, user: str) -> dict[str, Any]:
        count = len(self._known(user).decided)
        return {
            "userId": user,
            "totalInteractions": count,
            "userWeight": _weight(count),
            "priorVersion": 0,
            "policyVersion": 1,
            "dimensions": [
                {"dimension": name, "options": [_believed(option, len(options)) for option in options]}
                for name, options in DIMENSIONS.items()
            ],
        }

    def _approach(self, ask: Asked, person: Person | None) -> dict[str, str]:
        approach = {**self.approaches[None], **self.approaches.get(ask.user_id, {})}
        for name, option in (person.preferred if person else {}).items():
            approach[PREFERENCES[name]] = option
        for name, out in (ask.exclude or {}).items():
            if approach[name] in out:
                approach[name] = next(option for option in DIMENSIONS[name] if option not in out)
        return approach

    def _person(self, user: str) -> Person:
        now_s = self._clock()
        return self.persons.setdefault(user, Person(now_s, now_s))

    def _known(self, user: str) -> Person:
        if user not in self.persons:
            raise NotFound("There is no such profile.")
        return self.persons[user]

    def _touched(self, person: Person) -> None:
        person.updated_s = self._clock()
        person.version += 1


def iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _told(decided: Decided) -> dict[str, Any]:
    report = decided.report
    assert report is not None, "only what was reported is an interaction"
    said = msgspec.to_builtins(report)
    del said["requestId"]
    return {
        "decidedAt": iso(decided.at_s),
        "reportedAt": iso(decided.reported_s),
        "approach": decided.approach,
        "taskType": decided.task_type or None,
        "hour": decided.hour,
        **said,
        "final": report.final is not False,
        "step": report.step or 0,
    }


def _phase(count: int) -> tuple[str, float]:
    """The published phases, and the middle of their published confidences."""
    return ("cold_start", 0.3) if count < 5 else ("learning", 0.6) if count < 20 else ("optimised", 0.87)


def _weight(count: int) -> float:
    return round(count / (count + 10), 4)


def _believed(option: str, options: int) -> dict[str, Any]:
    told = {"option": option, "mean": 0.5, "sd": 0.25, "probabilityBest": 1 / options}
    return {**told, "populationMean": 0.5, "populationSd": 0.25}


def _hour(at_s: float, zone: object) -> int:
    try:
        return datetime.fromtimestamp(at_s, ZoneInfo(zone) if isinstance(zone, str) else UTC).hour
    except (ValueError, OSError, KeyError):  # no such zone
        return datetime.fromtimestamp(at_s, UTC).hour


def _stage(report: Reported) -> tuple[bool, int]:
    return report.final is not False, report.step or 0


def _print(report: Reported) -> tuple[Any, ...]:
    numbers = (report.time_to_start, report.satisfaction)
    said = (report.started, report.completed, report.flow_state, *numbers)
    return *said, *_stage(report), bodies.metadata(report.metadata)


def _share(part: int, count: int) -> float:
    return part / count if count else 0.0


def _mean(numbers: list[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
