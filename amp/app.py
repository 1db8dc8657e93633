"""Wires the service together: settings in, one ASGI application out."""

import asyncio
import gc
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, NamedTuple

from litestar import Litestar
from litestar.di import Provide
from litestar.types import ASGIApp, ControllerRouterHandler

from amp import observe, rooms
from amp import settings as configuration
from amp.bridge.decisions import Decisions
from amp.bridge.routes import BridgeRoutes
from amp.errors import StoreUnavailable
from amp.grading.file_routes import FileRoutes
from amp.grading.insight_routes import GradedRoutes
from amp.grading.session_routes import SessionRoutes
from amp.grading.shelf_routes import AgentRoutes, EnvironmentRoutes
from amp.grading.work_routes import WorkRoutes
from amp.http import operations, refusals
from amp.http.auth import Gate, guard
from amp.http.body import BODY_BYTES_MAX
from amp.http.lane import Lane
from amp.http.limits import RateLimit
from amp.http.reference import reference, static_files
from amp.http.requests import ApiRequest, access_of
from amp.learning import routes
from amp.learning.admin_routes import AdminRoutes
from amp.learning.insight_routes import InsightRoutes, UserRoutes
from amp.learning.policy_routes import PolicyRoutes
from amp.learning.token import Sealer
from amp.learning.usage_routes import UsageRoutes
from amp.ledger import report_routes
from amp.ledger import routes as ledger_routes
from amp.ledger.book_routes import BookRoutes
from amp.rooms import Books, Desk, Room, Span
from amp.settings import Settings
from amp.store import keyring
from amp.store.connection import Store, store_of
from amp.store.functions import Functions
from amp.store.keyring import Keyring, KeyTable
from amp.store.quota import Quota
from amp.store.uses import Uses
from amp.trust import Trust
from amp.trust_routes import TrustRoutes

_ROUTES = (
    routes.Contexts,
    routes.Outcomes,
    routes.ProfileRoutes,
    PolicyRoutes,
    AdminRoutes,
    InsightRoutes,
    UserRoutes,
    UsageRoutes,
    ledger_routes.Meters,
    ledger_routes.Callers,
    report_routes.JobLists,
    report_routes.Analytics,
    report_routes.ReportRoutes,
    BookRoutes,
    BridgeRoutes,
    SessionRoutes,
    AgentRoutes,
    EnvironmentRoutes,
    WorkRoutes,
    FileRoutes,
    GradedRoutes,
    TrustRoutes,
)


class House(NamedTuple):
    """All of it, for who builds upon it."""

    settings: Settings
    store: Store
    keys: KeyTable
    room: Room
    books: Books
    desk: Desk
    trust: Trust
    span: Span


class Upstairs(NamedTuple):
    """What stands upon the rooms: routes, what they ask for by name, and how the whole tells of trouble."""

    routes: Sequence[ControllerRouterHandler] = ()
    dependencies: dict[str, Provide] = {}  # noqa: RUF012  never changed
    refusals: dict[Any, Any] = refusals.HANDLERS
    before: Callable[[ASGIApp], ASGIApp] = lambda app: app
    """What stands before all routes but the hot ones."""


Build = Callable[[House], Upstairs]


def application(build: Build) -> Lane:
    """The service that AMP_* variables describe: uvicorn's factory."""
    settings = configuration.load(os.environ)
    return create(settings, store_of(settings), build)


def create(settings: Settings, store: Store, build: Build = lambda _: Upstairs()) -> Lane:
    """The whole service on this store, and what is built upon it."""
    secret = settings.secret or ""
    functions, sealer = Functions(store, rooms.LIBRARIES), Sealer(secret.encode())
    uses = Uses(store)
    keys = KeyTable(Keyring(store, keyring.pepper(secret)), uses=uses)
    gate = Gate(keys, RateLimit(store, settings.rate_limit), uses)
    room = rooms.learning(settings, store, functions, sealer, uses)
    books = rooms.ledger(settings, store, functions, Decisions(sealer, room.policies))
    desk, span = rooms.grading(settings, store, functions), rooms.bridge(store, functions)
    trust = Trust(store, keys, uses, ledger=books.standing, backlog=room.backlog, graded=desk.graded)
    quota = Quota(functions, settings.monthly_quota)
    upstairs = build(House(settings, store, keys, room, books, desk, trust, span))

    app = Litestar(
        [
            *_ROUTES,
            *operations.handlers(store, span.progress.exposition),
            static_files(),
            *upstairs.routes,
        ],
        lifespan=[_lifespan(store, functions, keys, uses, room=room, books=books, desk=desk)],
        guards=[guard(gate)],
        dependencies=_dependencies(room, books, desk, span) | _of_trust(trust, quota) | upstairs.dependencies,
        exception_handlers=upstairs.refusals,
        request_class=ApiRequest,
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=reference(),
        logging_config=None,
    )
    hot = routes.hot(room.learning, quota) | ledger_routes.hot(books.intake)
    return Lane(upstairs.before(app), gate, hot)


def _lifespan(
    store: Store,
    functions: Functions,
    keys: KeyTable,
    uses: Uses,
    *,
    room: Room,
    books: Books,
    desk: Desk,
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """What runs beside the requests, from start to end."""

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncGenerator[None]:
        with suppress(StoreUnavailable):  # a store that is down now gets the functions when it is needed
            await functions.load()
        await room.policies.catch_up()  # the first answer is by the tenant's own policy already,
        await books.lists.catch_up()  # the first record has its price,
        await room.attendance.once()  # and no prior is older than the other workers'
        followers = [asyncio.create_task(each) for each in _background(keys, uses, room, books, desk)]
        if room.attendance.announces:
            observe.serving()
        gc.collect()
        gc.freeze()  # what lives as long as the worker is never walked again,
        gc.set_threshold(20_000, 20, 20)  # and what lives as long as a request more rarely
        yield
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
        with suppress(StoreUnavailable):
            await room.counting.flush()
            await room.recent.flush()
            await uses.flush()
        await books.marker.put()
        await books.heads.close()
        await store.close()

    return running


def _background(
    keys: KeyTable, uses: Uses, room: Room, books: Books, desk: Desk
) -> Sequence[Coroutine[Any, Any, None]]:
    """What goes on until it is cancelled."""
    return [
        keys.poll(),
        uses.follow(),
        room.policies.follow(),
        room.attendance.keep(),
        room.counting.follow(),
        room.recent.follow(),
        books.lists.follow(),
        books.marker.follow(),
        books.heads.follow(),
        books.news.follow(),
        desk.follower.follow(),
        observe.follow(),
    ]


def _of_trust(trust: Trust, quota: Quota) -> dict[str, Provide]:
    return {
        "trust": Provide(lambda: trust, sync_to_thread=False),
        "quota": Provide(lambda: quota, sync_to_thread=False),
    }


def _dependencies(room: Room, books: Books, desk: Desk, span: Span) -> dict[str, Provide]:
    """What a route may ask for, by name."""
    return {
        "access": Provide(access_of, sync_to_thread=False),
        "learning": Provide(lambda: room.learning, sync_to_thread=False),
        "profiles": Provide(lambda: room.profiles, sync_to_thread=False),
        "admin": Provide(lambda: room.admin, sync_to_thread=False),
        "overview": Provide(lambda: room.overview, sync_to_thread=False),
        "book": Provide(lambda: room.book, sync_to_thread=False),
        "state_now": Provide(lambda: room.state, sync_to_thread=False),
        "preferred": Provide(lambda: room.preferred, sync_to_thread=False),
        "users": Provide(lambda: room.users, sync_to_thread=False),
        "insights": Provide(lambda: room.insights, sync_to_thread=False),
        "ledger": Provide(lambda: books.ledger, sync_to_thread=False),
        "intake": Provide(lambda: books.intake, sync_to_thread=False),
        "jobs": Provide(lambda: books.jobs, sync_to_thread=False),
        "lists": Provide(lambda: books.lists, sync_to_thread=False),
        "reports": Provide(lambda: books.reports, sync_to_thread=False),
        "sessions": Provide(lambda: desk.sessions, sync_to_thread=False),
        "listing": Provide(lambda: desk.listing, sync_to_thread=False),
        "follower": Provide(lambda: desk.follower, sync_to_thread=False),
        "agents": Provide(lambda: desk.agents, sync_to_thread=False),
        "environments": Provide(lambda: desk.environments, sync_to_thread=False),
        "maps": Provide(lambda: span.maps, sync_to_thread=False),
        "progress": Provide(lambda: span.progress, sync_to_thread=False),
        "files": Provide(lambda: desk.files, sync_to_thread=False),
        "work": Provide(lambda: desk.work, sync_to_thread=False),
        "graded": Provide(lambda: desk.graded, sync_to_thread=False),
    }
