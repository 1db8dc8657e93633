"""How long a request takes when requests come at a steady pace, whatever the server does."""

import numpy as np

from benchmarks import load, machine, world
from benchmarks.report import Section
from benchmarks.throughput import HISTORY, service

PER_S = 1000
_WARM = 1000


def run(*, quick: bool) -> Section:
    """Both hot calls at 1,000 requests a second."""
    users, seconds = (500, 2) if quick else (4000, 15)
    count = PER_S * seconds
    with machine.shared_out() as cores, service(cores, users=users) as amp:
        contexts = world.context_bodies([amp.users[number % users] for number in range(_WARM + count)])
        outcomes = world.outcome_bodies(amp.settings, amp.reporters, _WARM + count)
        rows = [
            [path, *_quantiles(load.pace(amp.server.port, path, bodies, amp.key, PER_S)[_WARM:])]
            for path, bodies in (("/v1/context", contexts), ("/v1/outcome", outcomes))
        ]
    note = (
        f"Open loop: {PER_S:,} requests/s arrive at random for {seconds} s, on {load.CONNECTIONS} "
        "connections, timed from when each was due. "
        f"{users:,} users of {HISTORY} outcomes each; an outcome's answer comes after its fsync."
    )
    columns = ["POST", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"]
    return Section("Latency at 1,000 requests/s", columns, rows, note=note)


def _quantiles(latencies_ms: list[float]) -> list[float]:
    found: list[float] = np.quantile(latencies_ms, [0.5, 0.9, 0.99, 0.999, 1.0]).tolist()
    return found
