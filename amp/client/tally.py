"""What this client did, counted and said: each kind of trouble is logged once, counted every time."""

import logging
import threading
from collections import Counter

from msgspec import Struct, field

_log = logging.getLogger("amp.client")


class Counters(Struct, frozen=True, kw_only=True):
    """A snapshot: every report given is sent, failed, dropped, dropped_local or queued."""

    sent: int = 0
    """Reports that the server has taken, waited for or not."""
    replayed: int = 0
    """Of these, the ones that it had already (seen only on reports that were waited for)."""
    queued: int = 0
    """Reports of the background that are not settled yet."""
    failed: int = 0
    """Reports refused for good, or given up."""
    unkept: int = 0
    """Of these, the ones for which the file of the spool's dead letters had no room left."""
    dropped: int = 0
    """Reports never sent: the queue was full or the client closed, or time ran out at exit."""
    dropped_local: int = 0
    """Reports on a fallback context, of which the server knows nothing."""
    fallbacks: int = 0
    """Contexts that this client made up because the server's did not come."""
    failed_codes: dict[str, int] = field(default_factory=dict[str, int])
    fallback_reasons: dict[str, int] = field(default_factory=dict[str, int])


class Tally:
    """Counts from any thread."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """From nothing: in the child of a fork, whose counts are its own."""
        self._lock = threading.RLock()  # a signal's handler may come between
        self._counts = Counter[str]()
        self._failed_codes = Counter[str]()
        self._fallback_reasons = Counter[str]()
        self._warned = set[str]()

    def add(self, name: str, count: int = 1) -> None:
        with self._lock:
            self._counts[name] += count

    def failed(self, code: str, count: int = 1) -> None:
        with self._lock:
            self._counts["failed"] += count
            self._failed_codes[code] += count
        self.warn_once(code, "amp did not take an outcome report: %s", code)

    def fell_back(self, reason: str) -> None:
        with self._lock:
            self._counts["fallbacks"] += 1
            self._fallback_reasons[reason] += 1
        self.warn_once(reason, "no context from amp, the fallback is used: %s", reason)

    def warn_once(self, about: str, message: str, *args: object) -> None:
        """Log the first time for this client; never a payload, an id or what the server said."""
        with self._lock:
            if about in self._warned:
                return
            self._warned.add(about)
        _log.warning(message + " (said once, see the client's counters)", *args)

    def counters(self, queued: int) -> Counters:
        with self._lock:
            return Counters(
                queued=queued,
                failed_codes=dict(self._failed_codes),
                fallback_reasons=dict(self._fallback_reasons),
                **self._counts,
            )
