"""What the crowd prefers in a context, how strongly, what is served, and how that came to be."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from markupsafe import Markup

from amp.app import House
from amp.dashboard import words
from amp.dashboard.intervals import Interval, interval_chart
from amp.dashboard.lines import Series, line_chart
from amp.dashboard.pages import Page, Tab, page
from amp.dashboard.zoom import zoomable
from amp.http.requests import ApiRequest
from amp.learning.admin_wire import ContextDefaults, FitReply
from amp.learning.crowd_wire import ApproachesReply, CrowdDimensionReply, ThenReply
from amp.learning.types import LEVELS
from amp.tenancy import Access

LINES_MAX = 4
"""Lines of one chart: so many colours are told apart."""
FITS_SHOWN = 12


class ApproachesPage(Page):
    """What does the crowd prefer?"""

    tab = Tab("Approaches", "/approaches")

    @get("/approaches")
    async def approaches(
        self,
        request: ApiRequest,
        access: NamedDependency[Access],
        house: NamedDependency[House],
        task: FromQuery[str] = "",
        complexity: FromQuery[str] = "",
    ) -> Response[bytes]:
        asked = access.tenant, task, complexity
        now, then = await asyncio.gather(
            house.room.preferred.now(*asked), house.room.preferred.over_time(*asked)
        )
        return page(
            request,
            "approaches.html",
            now=now,
            then=then,
            levels=LEVELS[1:],
            cards=[_card(number, each, then.priors) for number, each in enumerate(now.dimensions)],
            rows=_rows(now),
            fits=then.fits[:FITS_SHOWN],
            score_chart=_score_chart(then.fits),
        )


def _card(number: int, of: CrowdDimensionReply, priors: Sequence[ThenReply]) -> dict[str, Any]:
    """One dimension, with its charts."""
    learned = sum(each.learned.decided for each in of.options)
    control = sum(each.control.decided for each in of.options)
    return {
        "of": of,
        "name": f"chart-dimension-{number}",
        "chart": interval_chart(
            f"chart-dimension-{number}",
            f"Expected reward of each {of.dimension}, 90 % intervals",
            [
                Interval(
                    each.option,
                    each.expected_reward,
                    each.low,
                    each.high,
                    kind="s1" if of.lead > 0 and each.option == of.default else "quiet",
                )
                for each in of.options
                if each.offered
            ],
            tell=words.reward,
            zero=None,
        ),
        "closed": [each.option for each in of.options if not each.offered],
        "served": learned or control,
        "shares": {
            each.option: (
                each.learned.decided / learned if learned else None,
                each.control.decided / control if control else None,
            )
            for each in of.options
        },
        "over_time": _over_time(number, of, priors),
    }


def _over_time(number: int, of: CrowdDimensionReply, priors: Sequence[ThenReply]) -> Markup | None:
    """Expected rewards by prior, of the options that lead now; none of a single prior."""
    if len(priors) < 2:
        return None
    leading = sorted(
        (each for each in of.options if each.offered), key=lambda each: -(each.expected_reward or 0.0)
    )[:LINES_MAX]
    seen = [_rewards(each, of.dimension) for each in priors]
    series = [Series(each.option, [then.get(each.option) for then in seen]) for each in leading]
    drawn = line_chart(
        f"chart-dimension-{number}-over-time",
        f"Expected reward of each {of.dimension}, by prior",
        [f"prior {each.prior_version}" for each in priors],
        series,
        tell=words.reward,
        zero=False,
        height=160,
    )
    return zoomable(drawn, [each.at for each in priors], series)


def _rewards(then: ThenReply, dimension: str) -> dict[str, float]:
    return {
        option.option: option.expected_reward
        for each in then.dimensions
        if each.dimension == dimension
        for option in each.options
    }


def _rows(now: ApproachesReply) -> list[dict[str, Any]]:
    """Every context that has defaults of its own, beside the one where nothing is said."""
    usual: Mapping[str, str] = {each.dimension: each.option for each in now.contexts[0].dimensions}
    return [
        {
            "of": each,
            "name": _context_name(each),
            "path": f"/approaches?{urlencode(_query(each))}" if _query(each) else "/approaches",
            "differs": [option.option != usual[option.dimension] for option in each.dimensions],
        }
        for each in now.contexts
    ]


def _context_name(of: ContextDefaults) -> str:
    if of.task_type:
        return of.task_type
    return f"any, {of.complexity} complexity" if of.complexity else "any"


def _query(of: ContextDefaults) -> dict[str, str]:
    said = {"task": of.task_type or "", "complexity": of.complexity or ""}
    return {name: value for name, value in said.items() if value}


def _when(at: Sequence[str]) -> list[str]:
    """Days, or hours where all are of one day; in UTC."""
    one_day = len({each[:10] for each in at}) == 1
    return [each[11:16] if one_day else words.day(each) for each in at]


def _score_chart(fits: Sequence[FitReply]) -> Markup | None:
    """How well fits foresaw outcomes that they had not seen; none of a single fit."""
    judged = [each for each in reversed(fits) if each.score is not None]
    if len(judged) < 2:
        return None
    series = [
        Series("New fit", [each.score for each in judged]),
        Series("Prior before", [each.current_score for each in judged]),
    ]
    drawn = line_chart(
        "chart-scores",
        "How well each fit foresees outcomes that it has not seen, in nats",
        _when([each.at for each in judged]),
        series,
        tell=words.reward,
        zero=False,
    )
    return zoomable(drawn, [each.at for each in judged], series, unit=" nats")
