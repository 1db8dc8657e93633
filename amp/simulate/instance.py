"""A client of a served instance: one that runs already, or one of our own that is thrown away."""

import asyncio
import secrets
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from amp.client import AMP
from amp.settings import Settings
from amp.simulate.serving import passing_key, served, throw_away
from amp.store.keeper import Say, opened

_PATIENCE_S = 20.0


@contextmanager
def running(url: str, key: str) -> Generator[AMP]:
    """A client of the instance at this address."""
    with AMP(key, url, timeout_s=_PATIENCE_S, context_deadline_s=_PATIENCE_S) as amp:
        yield amp


@contextmanager
def own(settings: Settings, say: Say) -> Generator[AMP]:
    """A client of an instance with its own embedded store, where everybody is learned from.

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
        keys = passing_key(complete, f"sim-{secrets.token_hex(4)}")
        key = loop.run(keys.__aenter__())
        stack.callback(lambda: loop.run(keys.__aexit__(None, None, None)))
        yield stack.enter_context(running(url, key))
