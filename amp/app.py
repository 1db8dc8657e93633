"""Wires the service together: settings in, one ASGI application out."""

import asyncio
import gc
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import NamedTuple

from litestar import Litestar
from litestar.di import Provide

from amp import settings as configuration
from amp.bridge.decisions import Decisions
from amp.errors import StoreUnavailable
from amp.http import operations, refusals
from amp.http.auth import Gate, guard
from amp.http.body import BODY_BYTES_MAX
from amp.http.lane import Lane
from amp.http.limits import RateLimit
from amp.http.reference import reference, static_files
from amp.http.requests import ApiRequest, access_of
from amp.learning import fit_store, insight_store, policies, routes
from amp.learning import store as learning_store
from amp.learning.admin import Admin
from amp.learning.admin_routes import AdminRoutes
from amp.learning.attendance import Attendance
from amp.learning.counting import Counting
from amp.learning.fit_store import FitStore
from amp.learning.insight_routes import InsightRoutes
from amp.learning.insight_store import InsightStore
from amp.learning.measure import Insights, group_key
from amp.learning.overview import Overview
from amp.learning.policies import Policies
from amp.learning.policy_book import PolicyBook
from amp.learning.policy_routes import PolicyRoutes
from amp.learning.policy_store import PolicyStore
from amp.learning.priors import Priors
from amp.learning.profiles import Profiles
from amp.learning.service import Learning
from amp.learning.store import LearningStore
from amp.learning.token import Sealer
from amp.ledger import book_store, report_routes, rollup_store
from amp.ledger import routes as ledger_routes
from amp.ledger import store as ledger_store
from amp.ledger.appending import Appender
from amp.ledger.book_routes import BookRoutes
from amp.ledger.book_store import BookStore
from amp.ledger.books import PriceLists
from amp.ledger.chain import Head
from amp.ledger.head_files import FOLDER, Heads
from amp.ledger.heads import key_of
from amp.ledger.intake import Intake
from amp.ledger.jobs import Jobs
from amp.ledger.reports import Reports
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.ledger.service import Ledger
from amp.ledger.store import LedgerStore
from amp.settings import Settings
from amp.store import keyring
from amp.store.connection import Store, connect
from amp.store.functions import Functions
from amp.store.keyring import Keyring, KeyTable
from amp.tenancy import Tenant

_ROUTES = (
    routes.Contexts,
    routes.Outcomes,
    routes.ProfileRoutes,
    PolicyRoutes,
    AdminRoutes,
    InsightRoutes,
    ledger_routes.Meters,
    ledger_routes.Callers,
    report_routes.JobLists,
    report_routes.Analytics,
    report_routes.ReportRoutes,
    BookRoutes,
)
_LIBRARIES = (
    keyring.LIBRARY,
    learning_store.LIBRARY,
    fit_store.LIBRARY,
    insight_store.LIBRARY,
    ledger_store.LIBRARY,
    book_store.LIBRARY,
    rollup_store.LIBRARY,
)


def application() -> Lane:
    """The service that AMP_* variables describe: uvicorn's factory."""
    settings = configuration.load(os.environ)
    return create(settings, connect(settings.redis or ""))


class Room(NamedTuple):
    """The room `learning`, furnished."""

    policies: Policies
    attendance: Attendance
    learning: Learning
    profiles: Profiles
    admin: Admin
    overview: Overview
    counting: Counting
    insights: Insights
    book: PolicyBook


class Books(NamedTuple):
    """The room `ledger`, furnished."""

    ledger: Ledger
    intake: Intake
    jobs: Jobs
    lists: PriceLists
    rollup: Rollup
    reports: Reports
    heads: Heads


def create(settings: Settings, store: Store) -> Lane:
    """The whole service on this store."""
    secret = settings.secret or ""
    functions, sealer = Functions(store, _LIBRARIES), Sealer(secret.encode())
    keys = KeyTable(Keyring(store, keyring.pepper(secret)))
    gate = Gate(keys, RateLimit(settings.redis or "", settings.rate_limit))
    room = _learning(settings, store, functions, sealer)
    books = _ledger(settings, store, functions, Decisions(sealer, room.policies))

    app = Litestar(
        [*_ROUTES, *operations.handlers(store), static_files()],
        lifespan=[_lifespan(store, functions, keys, room, books)],
        guards=[guard(gate)],
        dependencies=_dependencies(room, books),
        exception_handlers=refusals.HANDLERS,
        request_class=ApiRequest,
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=reference(),
        logging_config=None,
    )
    return Lane(app, gate, routes.hot(room.learning) | ledger_routes.hot(books.intake))


def _lifespan(
    store: Store, functions: Functions, keys: KeyTable, room: Room, books: Books
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """What runs beside the requests, from start to end."""

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncGenerator[None]:
        with suppress(StoreUnavailable):  # a store that is down now gets the functions when it is needed
            await functions.load()
        await room.policies.catch_up()  # the first answer is by the tenant's own policy already,
        await books.lists.catch_up()  # the first record has its price,
        await room.attendance.once()  # and no prior is older than the other workers'
        background = (
            keys.poll(),
            room.policies.follow(),
            room.attendance.keep(),
            room.counting.follow(),
            books.lists.follow(),
            books.rollup.follow(),
            books.heads.follow(),
        )
        followers = [asyncio.create_task(each) for each in background]
        gc.collect()
        gc.freeze()  # what lives as long as the worker is never walked again,
        gc.set_threshold(20_000, 20, 20)  # and what lives as long as a request more rarely
        yield
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
        with suppress(StoreUnavailable):
            await room.counting.flush()
        await books.heads.close()
        await store.close()

    return running


def _dependencies(room: Room, books: Books) -> dict[str, Provide]:
    """What a route may ask for, by name."""
    return {
        "access": Provide(access_of, sync_to_thread=False),
        "learning": Provide(lambda: room.learning, sync_to_thread=False),
        "profiles": Provide(lambda: room.profiles, sync_to_thread=False),
        "admin": Provide(lambda: room.admin, sync_to_thread=False),
        "overview": Provide(lambda: room.overview, sync_to_thread=False),
        "book": Provide(lambda: room.book, sync_to_thread=False),
        "insights": Provide(lambda: room.insights, sync_to_thread=False),
        "ledger": Provide(lambda: books.ledger, sync_to_thread=False),
        "intake": Provide(lambda: books.intake, sync_to_thread=False),
        "jobs": Provide(lambda: books.jobs, sync_to_thread=False),
        "lists": Provide(lambda: books.lists, sync_to_thread=False),
        "reports": Provide(lambda: books.reports, sync_to_thread=False),
    }


def _learning(settings: Settings, store: Store, functions: Functions, sealer: Sealer) -> Room:
    secret = settings.secret or ""
    facts, documents = LearningStore.of(settings, store, functions), PolicyStore(store, functions)
    ruling = Policies(policies.first(settings), documents)
    measured = InsightStore.of(settings, store, functions, ruling)
    priors = Priors(facts, ruling)
    counting = Counting(measured, ruling)
    learning = Learning(
        facts,
        priors,
        sealer,
        policies=ruling,
        counting=counting,
        group_key=group_key(secret),
    )
    fits = FitStore(store, functions, retention_ms=settings.log_retention_ms)
    return Room(
        ruling,
        Attendance(fits, priors, ruling),
        learning,
        Profiles(facts, priors, policies=ruling),
        Admin(facts, fits, policies=ruling),
        Overview(fits, priors, policies=ruling),
        counting,
        Insights(measured),
        PolicyBook(documents, facts, policies=ruling, priors=priors),
    )


def _ledger(settings: Settings, store: Store, functions: Functions, decisions: Decisions) -> Books:
    facts, index = LedgerStore(store, functions), RollupStore(store, functions)
    lists, rollup = PriceLists(BookStore(store, functions)), Rollup(index, facts)
    heads = Heads(settings.data / FOLDER, key_of((settings.secret or "").encode()))

    def heard(tenant: Tenant, bucket: int, head: Head) -> None:
        rollup.wrote(tenant)
        heads.heard(tenant, bucket, head)

    appender, jobs = Appender(facts, heard), Jobs(facts)
    return Books(
        Ledger(appender, jobs, decisions=decisions),
        Intake(appender, decisions=decisions, price=lists.price),
        jobs,
        lists,
        rollup,
        Reports(rollup, index, jobs, lists),
        heads,
    )
