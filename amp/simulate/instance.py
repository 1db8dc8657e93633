"""Clients of a served instance: one that runs already, or one of our own that is thrown away."""

import asyncio
import secrets
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from amp.client import AMP
from amp.settings import Settings
from amp.simulate.serving import passing_key, served, throw_away
from amp.store.keeper import Say, opened

_PATIENCE_S = 20.0


Connect = Callable[[], AMP]
"""A client for one run."""


@contextmanager
def running(url: str, key: str) -> Generator[Connect]:
    """Clients of the instance at this address, all of one tenant."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_client(url, key))


@contextmanager
def own(settings: Settings, say: Say) -> Generator[Connect]:
    """Clients of an instance with its own embedded store, where everybody is learned from.

    Each is of a tenant of its own: what a crowd has taught must not be in the way of the next.

    Raises:
        CommandFailed: the service did not start.
        StoreMissing: no store can be started.
    """
    with ExitStack() as stack:
        place = stack.enter_context(throw_away(settings))
        place = replace(place, host="127.0.0.1", port=0, control_share=0.0, rate_limit=0)
        complete = stack.enter_context(opened(place, lasting=True, say=say))
        url = stack.enter_context(served(complete, say))
        loop = stack.enter_context(asyncio.Runner())

        def connect() -> AMP:
            keys = passing_key(complete, f"sim-{secrets.token_hex(4)}")
            key = loop.run(keys.__aenter__())
            stack.callback(lambda: loop.run(keys.__aexit__(None, None, None)))
            return stack.enter_context(_client(url, key))

        yield connect


def _client(url: str, key: str) -> AMP:
    return AMP(key, url, timeout_s=_PATIENCE_S, context_deadline_s=_PATIENCE_S)
