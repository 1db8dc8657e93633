"""Builds the dashboard upon the rooms: its pages, what they ask for, and what they watch."""

from litestar import Router
from litestar.di import Provide

from amp.app import House, Upstairs
from amp.dashboard import assets, trouble
from amp.dashboard.approaches import ApproachesPage
from amp.dashboard.erasing import ErasePage
from amp.dashboard.graded import GradedPage
from amp.dashboard.live import Live
from amp.dashboard.overview import OverviewPage
from amp.dashboard.pages import Page, navigate
from amp.dashboard.pulse import Pulse, Watch
from amp.dashboard.roi import RoiPage
from amp.dashboard.session import Seals
from amp.dashboard.sign_in import FAILURES_A_MINUTE, SignIn
from amp.dashboard.trust import TrustPage
from amp.dashboard.user import UserPage
from amp.dashboard.users import UsersPage
from amp.dashboard.visitors import Door, visitor_of
from amp.http import refusals
from amp.http.limits import RateLimit
from amp.store.links import Links
from amp.store.signed_out import SignedOut

PAGES: tuple[type[Page], ...] = (
    OverviewPage,
    ApproachesPage,
    UsersPage,
    RoiPage,
    GradedPage,
    TrustPage,
)
"""In the order of the navigation."""


def dashboard(house: House) -> Upstairs:
    """What `app.create` is to build upon the rooms."""
    settings, store = house.settings, house.store
    pulse = Pulse(_watches(house))
    door = Door(Seals((settings.secret or "").encode()), house.keys, pulse, SignedOut(store))
    links = Links(store)
    failures = RateLimit(store, FAILURES_A_MINUTE)
    navigate(PAGES)
    pages = Router(
        "/",
        route_handlers=[*PAGES, UserPage, ErasePage, SignIn, Live],
        guards=[door.guard()],
        exception_handlers=trouble.HANDLERS,
        include_in_schema=False,
    )
    return Upstairs(
        (pages, assets.asset),
        {
            "visitor": Provide(visitor_of, sync_to_thread=False),
            "door": Provide(lambda: door, sync_to_thread=False),
            "pulse": Provide(lambda: pulse, sync_to_thread=False),
            "links": Provide(lambda: links, sync_to_thread=False),
            "failures": Provide(lambda: failures, sync_to_thread=False),
            "house": Provide(lambda: house, sync_to_thread=False),
        },
        trouble.unrouted(refusals.HANDLERS),
    )


def _watches(house: House) -> dict[str, Watch]:
    """What regions may name as their topics."""
    return {
        "learning": house.room.insights.version,
        "deciding": house.room.state.versions,
        "ledger": house.books.reports.version,
        "grading": house.desk.follower.version,
        "verifying": house.books.walking.version,
    }
