"""Whether this worker is on its way out: what readiness and connections go by."""


class Draining:
    """One for each process; whoever runs the worker sets it."""

    red = False
    """Readiness says no: the whole service is about to go."""
    last = False
    """Each answer is the last on its connection, and says so: the next request goes elsewhere."""
    asked_s = float("-inf")
    """When somebody last asked for readiness, by `time.monotonic`, which is one clock for all processes."""


DRAINING = Draining()
