"""The first page: is it working? Lift, who reports, what it was worth, health, what changed."""

import asyncio
from collections.abc import Sequence
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from markupsafe import Markup

from amp.app import House
from amp.dashboard import words
from amp.dashboard.intervals import Interval, interval_chart
from amp.dashboard.lines import Series, line_chart
from amp.dashboard.pages import Page, Tab, page
from amp.dashboard.zoom import zoomable
from amp.http.requests import ApiRequest
from amp.learning.insights import DifferenceReply, LiftReply, PlaceReply, ReportingReply
from amp.ledger.grouping import Question
from amp.ledger.report import Row
from amp.ledger.reports import Reports
from amp.store.readiness import check
from amp.tenancy import Access, Tenant

METRICS = {"reward": "Reward", "start": "Starts", "completion": "Completion", "timeToStart": "Time to start"}
OPEN_TASK = "no task type"
OTHER_TASK = "other task types"
DAYS_MAX = 90


class OverviewPage(Page):
    """Is it working?"""

    tab = Tab("Overview", "/")

    @get("/")
    async def overview(
        self,
        request: ApiRequest,
        access: NamedDependency[Access],
        house: NamedDependency[House],
    ) -> Response[bytes]:
        tenant, room = access.tenant, house.room
        lift, reporting, worth, state, checks = await asyncio.gather(
            room.insights.lift(tenant),
            room.insights.reporting(tenant),
            _worth(house.books.reports, tenant),
            room.state.of(tenant),
            check(house.store),
        )
        return page(
            request,
            "overview.html",
            lift=lift,
            reporting=reporting,
            state=state,
            checks=checks,
            waiting=0 if lift.outcomes else (await room.backlog.of(tenant)).outcomes,
            control_share=room.policies.of(tenant).policy.control_share,
            healthy=all(each.ok for each in checks) and not state.workers_behind,
            metrics=METRICS,
            **_of_lift(lift),
            **_of_reporting(reporting),
            **worth,
        )


async def _worth(reports: Reports, tenant: Tenant) -> dict[str, Any]:
    """All jobs, and by day."""
    total = (await reports.report(tenant, Question())).total
    days = (await reports.report(tenant, Question(by=("day",)))).rows[-DAYS_MAX:] if total.jobs else []
    return {
        "total": total,
        "days": days[::-1],
        "ratio_chart": _ratio_chart(days),
    }


def _ratio_chart(days: Sequence[Row]) -> Markup | None:
    """None of a single day, which makes no line."""
    if len(days) < 2:
        return None
    labels = [each.key["day"] or "" for each in days]
    series = [Series("Value Ratio", [each.value_ratio for each in days])]
    drawn = line_chart(
        "chart-ratio",
        "Value Ratio by day of the job",
        [words.day(label) for label in labels],
        series,
        tell=words.ratio,
    )
    return zoomable(drawn, labels, series, unit="×")


def _of_lift(lift: LiftReply) -> dict[str, Any]:
    told = {each.metric: each for each in lift.differences}
    rates = [each for each in lift.differences if each.metric != "timeToStart"]
    time = told.get("timeToStart")
    places = [each for each in lift.where if each.difference is not None]
    return {
        "reward": told.get("reward"),
        "lift_chart": interval_chart(
            "chart-lift",
            "Learned users against the control group, in points of a hundred",
            [_interval(each) for each in rates],
            tell=words.points,
        ),
        "time_chart": None
        if time is None or time.difference is None
        else interval_chart(
            "chart-time",
            "Time to start, learned users against the control group, as a relative change",
            [_interval(time)],
            tell=words.change,
        ),
        "where_chart": interval_chart(
            "chart-where",
            "Where it pays: difference in reward, in points of a hundred",
            [
                Interval(place_name(each), each.difference, each.low, each.high, _users(each))
                for each in places
            ],
            tell=words.points,
        ),
        "places": places,
        "unknown_places": [place_name(each) for each in lift.where if each.difference is None],
        "place_name": place_name,
    }


def _interval(of: DifferenceReply) -> Interval:
    return Interval(METRICS[of.metric], of.difference, of.low, of.high, _users(of), _sooner(of))


def _sooner(of: DifferenceReply) -> str:
    """Less time is better, unlike of all else."""
    if of.metric != "timeToStart" or of.low is None or of.high is None:
        return ""
    return "good" if of.high < 0 else "bad" if of.low > 0 else ""


def _users(of: DifferenceReply | PlaceReply) -> str:
    return f"{of.learned_users:,} / {of.control_users:,}"


def place_name(place: PlaceReply) -> str:
    """A phase or task type, in words."""
    if place.name is None:
        return OTHER_TASK
    return place.name.replace("_", " ") if place.by == "phase" else place.name or OPEN_TASK


def _of_reporting(reporting: ReportingReply) -> dict[str, Any]:
    days = reporting.by_day[-DAYS_MAX:]
    series = [
        Series("Learned", [each.learned.rate for each in days]),
        Series("Control", [each.control.rate for each in days]),
    ]
    return {
        "reporting_days": days[::-1],
        "reporting_chart": None
        if len(days) < 2
        else line_chart(
            "chart-reporting",
            "Share of decisions that were reported, by day of the decision",
            [words.day(each.day) for each in days],
            series,
            tell=lambda share: words.percent(share, 0),
        ),
    }
