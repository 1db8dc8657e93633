"""Clients that never stop reporting, and remember what they were told."""

import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

USERS = 6
GIVES_UP_ON = 3  # every third outcome without an answer is not sent again: nobody told its fate


@dataclass
class Told:
    """What clients know: outcomes by user and number."""

    acknowledged: dict[str, set[int]] = field(default_factory=dict)
    unknown: dict[str, set[int]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """Answers that no retry can explain."""
    retried: int = 0
    """Outcomes acknowledged after at least one call without an answer."""

    def count(self) -> int:
        return sum(len(numbers) for numbers in self.acknowledged.values())


class Reporter(threading.Thread):
    """Asks and reports for users of its own, one outcome after the other, until told to end."""

    def __init__(self, url: str, key: str, name: str) -> None:
        super().__init__(name=name)
        self.told = Told()
        self.ending = threading.Event()
        self._lost = 0
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=3, trust_env=False
        )

    def run(self) -> None:
        with self._client:
            for number in itertools.count():
                if self.ending.is_set():
                    return
                user = f"{self.name}-{number % USERS}"
                context = self._asked({"userId": user, "task": "survive"})
                if context:
                    self._report(user, number, context["requestId"])

    def _asked(self, body):
        """A context; asking writes nothing, so it is asked until it is answered."""
        while not self.ending.is_set():
            answer = self._sent("/v1/context", body)
            if answer is not None:
                return answer.json()
        return None

    def _report(self, user, number, request_id):
        body = {
            "requestId": request_id,
            "started": True,
            "completed": number % 2 == 0,
            "metadata": {"number": number},
        }
        for attempt in itertools.count():
            answer = self._sent("/v1/outcome", body)
            if answer is not None:
                self.told.acknowledged.setdefault(user, set()).add(number)
                self.told.retried += attempt > 0
                return
            if not attempt:
                self._lost += 1
            if self.ending.is_set() or self._lost % GIVES_UP_ON == 0:
                self.told.unknown.setdefault(user, set()).add(number)
                return

    def _sent(self, path, body):
        """The answer when it is a 200; None when there is none, or it says to try again."""
        try:
            answer = self._client.post(path, json=body)
        except httpx.TransportError:
            time.sleep(0.02)  # a server that is gone refuses at once: do not spin on it
            return None
        if answer.status_code == 200:
            return answer
        if answer.status_code != 503:
            self.told.refused.append(f"{path}: {answer.status_code} {answer.text}")
        return None


def verdicts(told: Told, found: dict[str, list[int]], totals: dict[str, int]) -> list[str]:
    """What is wrong: acknowledged outcomes are there exactly once, unknown ones at most once, no others.

    `found` has the numbers of each user's outcomes as exported, `totals` how many the service counted.
    """
    wrong: list[str] = []
    for user in sorted({*found, *told.acknowledged, *told.unknown}):
        counted = Counter(found.get(user, []))
        known = told.acknowledged.get(user, set())
        possible = known | told.unknown.get(user, set())
        wrong += [f"{user}: {number} is lost" for number in sorted(known - set(counted))]
        wrong += [f"{user}: {number} is there twice" for number, times in counted.items() if times > 1]
        wrong += [f"{user}: nobody sent {number}" for number in sorted(set(counted) - possible)]
        if totals.get(user, 0) != len(counted):
            wrong.append(f"{user}: {totals.get(user, 0)} counted, {len(counted)} there")
    return wrong
