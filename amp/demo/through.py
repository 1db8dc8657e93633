"""Plays the jobs of a scenario through the ledger's own client, revenium-python-sdk, unmodified, over HTTP.

It is imported here and nowhere else, when a job is played.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from amp.demo import telling
from amp.demo.scenarios import Work
from amp.demo.trades import Call
from amp.exits import CommandFailed

PAGE = 10
"""Jobs that are under way at once."""
THREADS = 8
FLUSH_S, FLUSHES = 10.0, 12
"""Records that a busy server refused for now wait in the client and are sent again by a flush."""
_KEY = "REVENIUM_METERING_API_KEY"
_LOGGERS = ("revenium_middleware", "revenium_middleware.extension", "revenium_metering")

Told = Callable[[int], None]
"""Called with the number of jobs just done."""


def sdk(key: str, url: str) -> Any:
    """The client's package, ready for a server.

    Raises:
        CommandFailed: it is not installed.
    """
    host = urlsplit(url).hostname or ""
    if host in {"127.0.0.1", "localhost", "::1"}:
        for name in ("NO_PROXY", "no_proxy"):  # it would ask the environment's proxy for us
            os.environ[name] = ",".join(filter(None, [os.environ.get(name), host]))
    os.environ.setdefault(_KEY, key)  # without one it complains when it is imported
    try:
        return import_module("revenium_middleware")
    except ImportError as error:
        raise CommandFailed(
            "amp demo ledger plays through revenium-python-sdk, which is not installed. "
            "Install it: pip install 'revenium-python-sdk==0.12.0' (amp's extra demo-ledger)"
        ) from error


def play(
    client_of: Any,
    place: tuple[str, str],
    works: Sequence[Work],
    decisions: Mapping[str, str],
    *,
    now_ms: int,
    make: bool,
    told: Told,
) -> Counter[str]:
    """Every job: made (unless the first record is to make it), metered, and its outcome reported.

    `client_of` is `sdk`'s, `place` URL and key, `decisions` the requestId of each job that follows one.
    Returns what the client logged while it delivered, by its words.

    Raises:
        CommandFailed: a job has an outcome already, or the server cannot be used.
    """
    url, key = place
    settings = client_of.AgenticOutcomeSettings(api_key=key, meter_base_url=url, profitstream_base_url=url)
    with (
        _heard() as complaints,
        client_of.AgenticOutcomeClient(settings) as client,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        for start in range(0, len(works), PAGE):
            page = works[start : start + PAGE]
            if make:
                _all(threads, lambda work: _make(client, work), page, client_of)
            for work in page:
                _meter(client, work, now_ms)
            _flush(client_of, url)

            def report(work: Work) -> None:
                client.report_outcome(work.job, telling.outcome(work, now_ms, decisions.get(work.job)))

            _all(threads, report, page, client_of)
            told(len(page))
    return complaints


def _make(client: Any, work: Work) -> None:
    client.create_job(work.job, name=work.title, type=work.type, version="1.0", environment="demo")


def _meter(client: Any, work: Work, now_ms: int) -> None:
    for record, at_ms in zip(work.records, telling.starts_ms(work, now_ms), strict=True):
        if isinstance(record.used, Call):
            client.emit_completion(telling.completion(work, record, record.used, at_ms))
        else:
            client.emit_tool_event(telling.tool_event(work, record, record.used, at_ms))


def _flush(client_of: Any, url: str) -> None:
    for _ in range(FLUSHES):
        if not client_of.flush_metering(FLUSH_S):
            return
    raise CommandFailed(f"Records could not be delivered to {url} within {FLUSHES * FLUSH_S:.0f} s.")


def _all(
    threads: ThreadPoolExecutor, do: Callable[[Work], None], page: Sequence[Work], client_of: Any
) -> None:
    try:
        list(threads.map(do, page))
    except client_of.OutcomeAlreadyReportedError as error:
        raise CommandFailed(
            "These jobs have their outcomes already (409), which are final: this server has seen this seed. "
            "Take another: --seed 2"
        ) from error
    except Exception as error:  # the client raises its own errors and those of its transport
        raise CommandFailed(f"The client gave up: {error}") from error


@contextmanager
def _heard() -> Generator[Counter[str]]:
    """What the client logs while it delivers in the background: it raises nothing there."""
    counted = Counter[str]()
    ear = _Ear(counted)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    kept = [(each.handlers, each.propagate) for each in loggers]
    for each in loggers:
        each.handlers, each.propagate = [ear], False
    try:
        yield counted
    finally:
        for each, (handlers, propagate) in zip(loggers, kept, strict=True):
            each.handlers, each.propagate = handlers, propagate


class _Ear(logging.Handler):
    def __init__(self, counted: Counter[str]) -> None:
        super().__init__(logging.WARNING)
        self._counted = counted

    def emit(self, record: logging.LogRecord) -> None:
        self._counted[str(record.msg)] += 1
