"""What a fork must not share: threads, locks, sockets and open files are made anew in the child."""

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Whoever holds such things."""

    def before_fork(self) -> None:
        """Holds still; in the thread that forks."""
        ...

    def after_fork(self) -> None:
        """Goes on, in the parent."""
        ...

    def in_child(self) -> None:
        """Starts anew, in the child."""
        ...


_watched: "WeakSet[Forked]" = WeakSet()
_held: list[Forked] = []  # between before and after: nobody may vanish meanwhile


def watch(forked: Forked) -> None:
    """Tell it of every fork, as long as it lives."""
    _watched.add(forked)


def _before() -> None:
    _held.extend(_watched)
    for each in _held:
        each.before_fork()


def _after() -> None:
    while _held:
        _held.pop().after_fork()


def _in_child() -> None:
    while _held:
        _held.pop().in_child()


if hasattr(os, "register_at_fork"):  # not on Windows, which knows no fork
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)
