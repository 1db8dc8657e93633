"""Bars on stderr for work of which some takes long; a pipe gets none."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

Advance = Callable[[int], None]
Stage = Callable[[str, int], Advance]
"""Begins a bar of its own: what is done, and how much of it there is."""


@contextmanager
def passing(what: str) -> Generator[Advance]:
    """Call what it yields with the bytes that just passed, of which nobody knows how many come."""
    with _bar(DownloadColumn()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done: bar.advance(task, done)


@contextmanager
def stages() -> Generator[Stage]:
    """Bars below each other."""
    with _bar(TaskProgressColumn()) as bar:

        def stage(what: str, total: int) -> Advance:
            task = bar.add_task(what, total=total)
            return lambda done: bar.advance(task, done)

        yield stage


def _bar(count: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<22}"), BarColumn(), count, TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
