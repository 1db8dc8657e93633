"""A served instance of our own, in a process that ends when we do, however we end, and a key for it."""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from amp.exits import CommandFailed
from amp.serve import serve
from amp.settings import Settings
from amp.store.connection import store_of
from amp.store.keeper import Say
from amp.store.keyring import KeyFormat, Keyring, pepper

_END_S = 30.0


@contextmanager
def throw_away(settings: Settings) -> Generator[Settings]:
    """The settings with an embedded store in a temporary folder, of which nothing remains."""
    with tempfile.TemporaryDirectory(prefix="amp-") as folder:
        yield replace(settings, data=Path(folder), redis=None, secret=None)


@asynccontextmanager
async def passing_key(
    settings: Settings,
    tenant: str,
    scopes: tuple[str, ...] = ("context", "outcome", "read"),
    spelled: KeyFormat = "amp",
) -> AsyncGenerator[str]:
    """A live key of this tenant that is revoked at the end."""
    store = store_of(settings)
    keyring = Keyring(store, pepper(settings.secret or ""))
    try:
        key, record = await keyring.create(
            tenant=tenant, env="live", scopes=scopes, expires_ms=None, spelled=spelled
        )
        try:
            yield key
        finally:
            await keyring.revoke(record.id)
    finally:
        await store.close()


@contextmanager
def served(settings: Settings, say: Say) -> Generator[str]:
    """The URL of a service with these settings; `say` is a plain function, for it goes to another process.

    Raises:
        CommandFailed: it did not start, for the reason that `amp serve` would give.
    """
    spawn = get_context("spawn")
    line, its_end = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(settings, say, its_end), name="service")
    process.start()
    its_end.close()
    try:
        yield _announced(line)
    finally:
        line.close()
        process.join(_END_S)
        if process.is_alive():
            process.kill()
            process.join()


def _announced(line: "Connection[Any, Any]") -> str:
    try:
        told = line.recv()
    except EOFError:
        told = CommandFailed("The service ended before it answered; what it said stands above.")
    if isinstance(told, CommandFailed):
        raise told
    return told


def _serve(settings: Settings, say: Say, line: "Connection[Any, Any]") -> None:
    sys.stdin = None  # a child's is opened on a file that its own children, uvicorn's workers, cannot inherit
    threading.Thread(target=_end_when_hung_up, args=(line,), daemon=True).start()
    try:
        serve(settings, announce=lambda url, _: line.send(url), say=say)
    except CommandFailed as failure:
        line.send(failure)


def _end_when_hung_up(line: "Connection[Any, Any]") -> None:
    with suppress(EOFError, OSError):
        line.recv()
    os.kill(os.getpid(), signal.SIGTERM)
