"""Where nothing but refusals comes, it is hardly amp that answers: it is asked a little at a time."""

import threading
import time
from collections.abc import Callable

from amp.client.delivery import Post, Result, is_away
from amp.client.wire import Reply, Request

STRIKES = 16
"""Requests refused in a row: more than it takes to find some bad reports among a hundred by halves."""
EVERY_S = 0.5
"""Then one request by whichever thread, until one is answered."""
_LOOK_EVERY_S = 0.05


class Brake:
    """`post` with pauses; `over` ends them."""

    def __init__(self, post: Post, over: Callable[[], bool]) -> None:
        self._post = post
        self._over = over
        self._changed = threading.Condition()
        self._strikes = 0
        self._next_s = 0.0

    def post(self, request: Request) -> Reply:
        with self._changed:
            at_s = max(time.monotonic(), self._next_s) if self._strikes >= STRIKES else 0.0
            self._next_s = at_s + EVERY_S
            while self._strikes >= STRIKES and not self._over() and (left_s := at_s - time.monotonic()) > 0:
                self._changed.wait(min(left_s, _LOOK_EVERY_S))
        return self._post(request)

    def told(self, result: Result) -> None:
        """A server that is away is left alone anyway, and says nothing of what it is."""
        if is_away(result.error):
            return
        with self._changed:
            if result.whole:
                self._strikes += 1
            elif self._strikes:
                self._strikes, self._next_s = 0, 0.0
                self._changed.notify_all()  # a turn of seconds later is nobody's any more
