"""Every metric of the service, declared in one place. Names follow Prometheus; no user is ever a label.

A look-up by label costs more than the count itself, so the hot path takes its counters from a cache.
"""

from functools import lru_cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which several workers share their metrics: prometheus-client's own."""

_HTTP_SECONDS = Histogram(
    "amp_http_request_duration_seconds",
    "Time from the request's head to the last byte of the answer.",
    ["route", "status"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
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
STORE_ERRORS = Counter("amp_store_errors", "Calls that the store did not answer or refused.")
ACK_UNMET = Counter(
    "amp_ack_unmet", "Writes that stand, and that fewer replicas than AMP_ACK_REPLICAS had in time."
)
ACK_WAIT = Histogram(
    "amp_ack_wait_seconds",
    "Time from sending writes until replicas have them, or are given up.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
HEAD_ERRORS = Counter(
    "amp_ledger_head_errors",
    "Seconds in which the ledger's chain heads could not be written outside the store: disk full, no folder.",
)


@lru_cache(maxsize=1024)
def http_seconds(route: str, status: int) -> Histogram:
    """Durations of one route and status."""
    return _HTTP_SECONDS.labels(route, status)


@lru_cache(maxsize=16)
def outcomes(result: str) -> Counter:
    """Reports of one result."""
    return _OUTCOMES.labels(result)


@lru_cache(maxsize=16)
def contexts(group: str, how: str) -> Counter:
    """Decisions of one group and kind."""
    return _CONTEXTS.labels(group, how)


def exposition(shared_folder: str | None) -> bytes:
    """All metrics as Prometheus text; over every worker when they share a folder."""
    if shared_folder is None:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=shared_folder)
    return generate_latest(registry)
