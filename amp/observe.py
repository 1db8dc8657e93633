"""Every metric of the service, declared in one place. Names follow Prometheus; no user is ever a label."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

HTTP_SECONDS = Histogram(
    "amp_http_request_duration_seconds",
    "Time from the request's head to the last byte of the answer.",
    ["route", "status"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
OUTCOMES = Counter(
    "amp_outcomes", "Outcome reports by what became of them.", ["result"]
)  # new, replaced, replay, conflict, expired, refused
CONTEXTS = Counter(
    "amp_contexts", "Decisions by how they came about.", ["group", "how"]
)  # how: posterior, explored, degraded
STORE_ERRORS = Counter("amp_store_errors", "Calls that the store did not answer or refused.")


def exposition(shared_folder: str | None) -> bytes:
    """All metrics as Prometheus text; over every worker when they share a folder."""
    if shared_folder is None:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=shared_folder)
    return generate_latest(registry)
