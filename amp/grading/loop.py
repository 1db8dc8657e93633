"""The process of the loop: a runner with the settings of the environment."""

import asyncio
import os
import secrets
import signal
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import httpx

from amp import settings as configuration
from amp.grading import shelf_store
from amp.grading import store as session_store
from amp.grading.blobs import Blobs
from amp.grading.course import Place
from amp.grading.files import Files
from amp.grading.lanes import Lanes
from amp.grading.outputs import Outputs
from amp.grading.patience import PAUSE_S
from amp.grading.roles import Providers, Roles
from amp.grading.runner import LEASE_MS, Runner
from amp.grading.shelf_store import ShelfStore
from amp.grading.store import SessionStore
from amp.grading.sweeping import Sweeper
from amp.grading.work_service import Work
from amp.settings import Settings
from amp.store.connection import Store, store_of
from amp.store.functions import Functions

CONNECT_S = 5.0


def main() -> None:
    """Runs with the settings in the environment, until it is stopped."""
    settings = configuration.load(os.environ)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    store = store_of(settings)
    async with client(settings) as http:
        running = asyncio.gather(runner(settings, store, http).run(), sweeper(settings, store).run())
        # ends as if cancelled, so that leases are given up and whoever runs next need not wait for their end
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        with suppress(asyncio.CancelledError):
            await running
    await store.close()


def client(settings: Settings) -> httpx.AsyncClient:
    """What models are called through."""
    timeout = httpx.Timeout(settings.llm_timeout_ms / 1000, connect=CONNECT_S)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    return httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False)


def runner(settings: Settings, store: Store, http: httpx.AsyncClient) -> Runner:
    """A loop on this store."""
    functions = Functions(store, [session_store.LIBRARY, shelf_store.LIBRARY])
    shelf = ShelfStore(store, functions)
    files = Files(shelf, Blobs(settings.data / "files"))
    place = Place(
        SessionStore(store, functions),
        Roles(providers(settings, os.environ), http),
        partial(Outputs, files),
        Work(shelf),
        f"{os.getpid()}-{secrets.token_hex(6)}",
        heartbeat_s=settings.grader_heartbeat_seconds,
        lease_ms=LEASE_MS,
        pause_s=PAUSE_S,
    )
    return Runner(place, Lanes(store))


def sweeper(settings: Settings, store: Store) -> Sweeper:
    """Who sweeps the files of this data folder."""
    blobs = Blobs(settings.data / "files")
    return Sweeper(Files(ShelfStore(store, Functions(store, [shelf_store.LIBRARY])), blobs), blobs)


def providers(settings: Settings, environ: Mapping[str, str]) -> Providers:
    """Who may play."""
    return Providers(
        scripts=bool(settings.grading_scripts),
        llm_base_url=settings.llm_base_url,
        llm_api_key=settings.llm_api_key,
        llm_model=settings.llm_model,
        grader_model=settings.grader_model,
        each=settings.grader_mode == "each",
        plugins=frozenset(
            each.strip() for each in (settings.grading_plugins or "").split(",") if each.strip()
        ),
        anthropic_base_url=environ.get("ANTHROPIC_BASE_URL"),
        anthropic_api_key=environ.get("ANTHROPIC_API_KEY"),
    )
