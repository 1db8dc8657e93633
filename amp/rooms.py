"""The three rooms, furnished: what each one's services are made of, on one store."""

from typing import NamedTuple

from amp.bridge import store as bridge_store
from amp.bridge.decisions import Decisions
from amp.bridge.maps import Maps
from amp.bridge.news import News
from amp.bridge.progress import Progress
from amp.bridge.store import BridgeStore
from amp.grading import shelf_store
from amp.grading import store as session_store
from amp.grading.blobs import Blobs
from amp.grading.files import Files
from amp.grading.following import Follower
from amp.grading.graded import Graded
from amp.grading.lanes import Lanes
from amp.grading.listing import Listing
from amp.grading.lists_store import SessionLists
from amp.grading.making import Making
from amp.grading.service import Sessions
from amp.grading.shelf_store import ShelfStore
from amp.grading.shelves import Agents, Environments
from amp.grading.store import SessionStore
from amp.grading.work_service import Work
from amp.learning import fit_store, insight_store, policies, user_store
from amp.learning import store as learning_store
from amp.learning.admin import Admin
from amp.learning.attendance import Attendance
from amp.learning.backlog import LearningBacklog
from amp.learning.counting import Counting
from amp.learning.fit_store import FitStore
from amp.learning.insight_store import InsightStore
from amp.learning.measure import Insights, group_key
from amp.learning.overview import Overview
from amp.learning.policies import Policies
from amp.learning.policy_book import PolicyBook
from amp.learning.policy_store import PolicyStore
from amp.learning.preferred import Preferred
from amp.learning.priors import Priors
from amp.learning.profiles import Profiles
from amp.learning.recent import Recent
from amp.learning.service import Learning
from amp.learning.state import State
from amp.learning.store import LearningStore
from amp.learning.token import Sealer
from amp.learning.user_store import UserStore
from amp.learning.users import Users
from amp.ledger import book_store, rollup_store, standing
from amp.ledger import marks as ledger_marks
from amp.ledger import store as ledger_store
from amp.ledger.alarm import Alarm
from amp.ledger.appending import Appender
from amp.ledger.book_store import BookStore
from amp.ledger.books import PriceLists
from amp.ledger.chain import Head
from amp.ledger.head_files import FOLDER, Heads
from amp.ledger.heads import key_of
from amp.ledger.intake import Intake
from amp.ledger.jobs import Jobs
from amp.ledger.marks import Marker, Marks
from amp.ledger.reports import Reports
from amp.ledger.rollup import Rollup
from amp.ledger.rollup_store import RollupStore
from amp.ledger.service import Ledger
from amp.ledger.standing import LedgerStanding, Verifications
from amp.ledger.store import LedgerStore
from amp.ledger.walking import Walking
from amp.settings import Settings
from amp.store import announcing, keyring, quota
from amp.store.connection import Store
from amp.store.functions import Functions
from amp.store.uses import DEGRADED, Uses
from amp.tenancy import Tenant

LIBRARIES = (
    keyring.LIBRARY,
    quota.LIBRARY,
    announcing.LIBRARY,
    learning_store.LIBRARY,
    fit_store.LIBRARY,
    insight_store.LIBRARY,
    user_store.LIBRARY,
    ledger_store.LIBRARY,
    book_store.LIBRARY,
    rollup_store.LIBRARY,
    ledger_marks.LIBRARY,
    standing.LIBRARY,
    session_store.LIBRARY,
    shelf_store.LIBRARY,
    bridge_store.LIBRARY,
)


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
    state: State
    preferred: Preferred
    users: Users
    recent: Recent
    backlog: LearningBacklog


class Books(NamedTuple):
    """The room `ledger`, furnished."""

    ledger: Ledger
    intake: Intake
    jobs: Jobs
    lists: PriceLists
    marker: Marker
    reports: Reports
    heads: Heads
    news: News
    standing: LedgerStanding
    walking: Walking


class Span(NamedTuple):
    """The bridge, as far as it stands in a worker."""

    maps: Maps
    progress: Progress


class Desk(NamedTuple):
    """The room `grading`, furnished."""

    sessions: Sessions
    listing: Listing
    follower: Follower
    agents: Agents
    environments: Environments
    files: Files
    work: Work
    graded: Graded


def learning(settings: Settings, store: Store, functions: Functions, sealer: Sealer, uses: Uses) -> Room:
    secret = settings.secret or ""
    facts, documents = LearningStore.of(settings, store, functions), PolicyStore(store, functions)
    ruling = Policies(policies.first(settings), documents)
    measured = InsightStore.of(settings, store, functions, ruling)
    priors = Priors(facts, ruling)
    counting = Counting(measured, ruling, degraded=lambda tenant: uses.turned(tenant, DEGRADED))
    ids = UserStore(store, functions)
    recent = Recent(ids)
    learning = Learning(
        facts,
        priors,
        sealer,
        policies=ruling,
        counting=counting,
        recent=recent,
        group_key=group_key(secret),
    )
    fits = FitStore(store, functions, retention_ms=settings.log_retention_ms)
    insights = Insights(measured)
    book = PolicyBook(documents, facts, policies=ruling, priors=priors)
    return Room(
        ruling,
        Attendance(fits, priors, ruling),
        learning,
        Profiles(facts, priors, policies=ruling, ids=ids, recent=recent),
        Admin(facts, fits, policies=ruling),
        Overview(fits, priors, policies=ruling),
        counting,
        insights,
        book,
        State(fits, priors, book, policies=ruling),
        Preferred(fits, priors, insights, policies=ruling),
        Users(facts, ids, priors, policies=ruling),
        recent,
        LearningBacklog(facts, fits, measured),
    )


def ledger(settings: Settings, store: Store, functions: Functions, decisions: Decisions) -> Books:
    facts, index = LedgerStore(store, functions), RollupStore(store, functions)
    lists, rollup = PriceLists(BookStore(store, functions)), Rollup(index, facts)
    marker = Marker(Marks(store, functions))
    folder, heads_key = settings.data / FOLDER, key_of((settings.secret or "").encode())
    heads = Heads(folder, heads_key, Alarm(store))

    def heard(tenant: Tenant, bucket: int, head: Head) -> None:
        marker.wrote(tenant)
        heads.heard(tenant, bucket, head)

    news = News(BridgeStore(store, functions))
    appender, jobs = Appender(facts, heard, news.put), Jobs(facts)
    return Books(
        Ledger(appender, jobs, decisions=decisions),
        Intake(appender, decisions=decisions, price=lists.price),
        jobs,
        lists,
        marker,
        Reports(rollup, index, jobs, lists),
        heads,
        news,
        LedgerStanding(facts, index, Verifications(store), heads),
        Walking(store, folder=folder, key=heads_key),
    )


def bridge(store: Store, functions: Functions) -> Span:
    facts = BridgeStore(store, functions)
    return Span(Maps(facts), Progress(facts))


def grading(settings: Settings, store: Store, functions: Functions) -> Desk:
    facts, shelf = SessionStore(store, functions), ShelfStore(store, functions)
    agents, environments = Agents(shelf), Environments(shelf)
    files = Files(shelf, Blobs(settings.data / "files"))
    making = Making(agents, environments, files)
    work = Work(shelf)
    sessions = Sessions(facts, Lanes(store), making=making, files=files, work=work)
    return Desk(
        sessions,
        Listing(facts, sessions),
        Follower(facts),
        agents,
        environments,
        files,
        work,
        Graded(sessions, facts, SessionLists(store), files),
    )
