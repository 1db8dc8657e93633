"""Every metric of the service, declared in one place. Names follow Prometheus; no user is ever a label.

Processes share their metrics through files (prometheus-client's way), where a count costs 1 to 3 us; so the
hot path counts in its own process, which costs a third of that, and hands on what it has four times a second.
"""

import asyncio
from bisect import bisect_left
from functools import lru_cache
from importlib.metadata import version
from platform import python_version
from typing import Any

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

from amp import metric_files

HAND_ON_EVERY_S = 0.25

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_HTTP_SECONDS = Histogram(
    "amp_http_request_duration_seconds",
    "Time from the request's head to the last byte of the answer.",
    ["route", "status"],
    buckets=_SECONDS,
)
_OUTCOMES = Counter(
    "amp_outcomes",
    "Outcome reports that the store judged: new, replaced, filled, replay, conflict or expired.",
    ["result"],
)
_CONTEXTS = Counter(
    "amp_contexts",
    "Decisions by group, learned or control, and how they came about: mean, explored, shadow or degraded.",
    ["group", "how"],
)
_ACK_SECONDS = Histogram(
    "amp_ack_wait_seconds",
    "Time that an outcome report waited until the store had acknowledged it.",
    buckets=_SECONDS,
)
STORE_ERRORS = Counter("amp_store_errors", "Calls that the store did not answer or refused.")
ACK_UNMET = Counter(
    "amp_ack_unmet", "Writes that stand, and that fewer replicas than AMP_ACK_REPLICAS had in time."
)
ACK_WAIT = Histogram(
    "amp_ack_replicas_seconds",
    "Time from sending writes until replicas have them, or are given up.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
HEAD_ERRORS = Counter(
    "amp_ledger_head_errors",
    "Seconds in which the ledger's chain heads could not be written outside the store: disk full, no folder.",
)
QUOTA_REFUSALS = Counter("amp_quota_refusals", "Decisions refused because the month's quota was used up.")
STREAMS = Gauge("amp_sse_streams", "Event streams that are open.", multiprocess_mode="livesum")
WORKERS = Gauge("amp_workers", "Workers that serve.", multiprocess_mode="livesum")
DRAINING = Gauge("amp_draining", "Workers that are about to end.", multiprocess_mode="livesum")
_BUILD = Gauge(
    "amp_build_info",
    "Workers that run this release; more than one release while it is rolled out.",
    ["version", "python"],
    multiprocess_mode="livesum",
)


class Tally:
    """A counter's fast half; what it holds is handed on."""

    __slots__ = ("_counter", "_held")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._held = 0

    def inc(self) -> None:
        self._held += 1

    def hand_on(self) -> None:
        held, self._held = self._held, 0
        if held:
            self._counter.inc(held)


class Timer:
    """A histogram's fast half; what it holds is handed on."""

    __slots__ = ("_bounds", "_counts", "_histogram", "_sum")

    def __init__(self, histogram: Histogram, bounds: tuple[float, ...]) -> None:
        self._histogram: Any = histogram  # its buckets can only be added to by their private names
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def hand_on(self) -> None:
        counts, total = self._counts, self._sum
        self._counts, self._sum = [0] * len(counts), 0.0
        for bucket, count in zip(self._histogram._buckets, counts, strict=True):  # noqa: SLF001  see above
            if count:
                bucket.inc(count)
        if total:
            self._histogram._sum.inc(total)  # noqa: SLF001  see above


_fast: list[Tally | Timer] = []


@lru_cache(maxsize=1024)
def http_seconds(route: str, status: int) -> Timer:
    """Durations of one route and status."""
    return _kept(Timer(_HTTP_SECONDS.labels(route, status), _SECONDS))


@lru_cache(maxsize=1024)
def outcomes(result: str) -> Tally:
    """Reports of one result."""
    return _kept(Tally(_OUTCOMES.labels(result)))


@lru_cache(maxsize=1024)
def contexts(group: str, how: str) -> Tally:
    """Decisions of one group and kind."""
    return _kept(Tally(_CONTEXTS.labels(group, how)))


def _kept(fast: Any) -> Any:
    _fast.append(fast)
    return fast


ACK_SECONDS: Timer = _kept(Timer(_ACK_SECONDS, _SECONDS))


def hand_on() -> None:
    """What the hot path has counted goes to where every process sees it."""
    for each in _fast:
        each.hand_on()


async def follow() -> None:
    """Hands on, until it is cancelled, and once more then."""
    try:
        while True:
            await asyncio.sleep(HAND_ON_EVERY_S)
            hand_on()
    finally:
        hand_on()


def serving() -> None:
    """This process is a worker that serves."""
    WORKERS.set(1)
    _BUILD.labels(version("amp"), python_version()).set(1)


def exposition() -> bytes:
    """All metrics as Prometheus text, over every process of the service when they share a folder."""
    hand_on()
    return metric_files.exposition() or generate_latest(REGISTRY)
