"""One user: what is believed of them beside the crowd, what was decided and why, what is preferred."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery

from amp.app import House
from amp.dashboard import words
from amp.dashboard.intervals import Interval, interval_chart
from amp.dashboard.pages import HEADERS, Page, page, see_other
from amp.dashboard.users import UserId, UsersPage, path_to
from amp.errors import InvalidParameter
from amp.http.requests import ApiRequest
from amp.learning.approaches import Approaches
from amp.learning.user_wire import HistoryReply, PastReply, UserReply
from amp.learning.wire import DimensionReply, InteractionReply, OptionReply
from amp.tenancy import Access

PAST_A_PAGE = 20
INTERVAL_SDS = 1.645
"""Half the width of a 90 % interval, in standard deviations."""
SEE, CHANGE = ("profile", "read"), ("profile",)
"""The scopes that the API asks for the same."""
TheAccess = NamedDependency[Access]
TheHouse = NamedDependency[House]


class UserPage(Page):
    """Who is this, and why were they served what they were?"""

    tab = UsersPage.tab

    @get("/users/user")
    async def show(
        self,
        request: ApiRequest,
        access: TheAccess,
        house: TheHouse,
        user_id: UserId = "",
        before: FromQuery[int] = 0,
    ) -> Response[bytes]:
        access.require(*SEE)
        room, tenant = house.room, access.tenant
        one, profile, posterior, past = await asyncio.gather(
            room.users.one(tenant, user_id),
            room.profiles.show(tenant, user_id),
            room.profiles.posterior(tenant, user_id),
            room.users.history(tenant, user_id, before, PAST_A_PAGE),
        )
        approaches, changed = room.policies.of(tenant).approaches, request.query_params.get("changed")
        known = msgspec.to_builtins(profile)
        return page(
            request,
            "user.html",
            user=one,
            profile=known,
            posterior=posterior,
            believed=[_believed(number, each) for number, each in enumerate(posterior.dimensions)],
            past=past,
            signals=signals,
            unexplained=_unexplained(past.interactions),
            pages=_pages(past),
            preferences=_preferences(one, known, approaches),
            may_change=access.has(*CHANGE),
            is_set=changed if changed in known else None,
            path_to=path_to,
        )

    @post("/users/preference", status_code=303)
    async def prefer(self, request: ApiRequest, access: TheAccess, house: TheHouse) -> Response[bytes]:
        """One dimension's preference: an option, or none; locked or not."""
        access.require(*CHANGE)
        sent = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
        user, field = sent.get("id", ""), sent.get("preference", "")
        kind = house.room.profiles.change_type(access.tenant)
        fields = {each.preference for each in house.room.policies.of(access.tenant).approaches.dimensions}
        if field not in fields:
            raise InvalidParameter("preference", "is none of this tenant's")
        wanted = {field: sent.get("option") or None, "lock": "lock" in sent}
        await house.room.users.one(access.tenant, user)  # a form makes nobody up
        await house.room.profiles.change(access.tenant, user, msgspec.convert(wanted, kind))
        return see_other(path_to(user, changed=field) + "#preferences")

    @get("/users/export")
    async def export(
        self,
        access: TheAccess,
        house: TheHouse,
        user_id: UserId = "",
    ) -> Response[bytes]:
        """All that is kept of a user, as a file: what GET /v1/profile/{userId}/export answers."""
        access.require(*SEE)
        kept = await house.room.profiles.export(access.tenant, user_id)
        headers = HEADERS | {"Content-Disposition": 'attachment; filename="user.json"'}
        return Response(msgspec.json.encode(kept), media_type="application/json", headers=headers)


def _believed(number: int, of: DimensionReply) -> dict[str, Any]:
    """One dimension: its chart, and the option that leads."""
    leading = max(of.options, key=lambda each: each.mean)
    return {
        "of": of,
        "leading": leading,
        "name": f"chart-belief-{number}",
        "chart": interval_chart(
            f"chart-belief-{number}",
            f"Expected reward of each {of.dimension} for this user, beside the population",
            [_interval(each, leads=each is leading) for each in of.options],
            tell=words.reward,
            zero=None,
        ),
    }


def _interval(of: OptionReply, *, leads: bool) -> Interval:
    half, crowd = INTERVAL_SDS * of.sd, INTERVAL_SDS * of.population_sd
    return Interval(
        of.option,
        of.mean,
        of.mean - half,
        of.mean + half,
        kind="s1" if leads else "s3",
        beside=(of.population_mean, of.population_mean - crowd, of.population_mean + crowd),
    )


def _preferences(one: UserReply, profile: dict[str, Any], approaches: Approaches) -> list[dict[str, Any]]:
    """Of each dimension what may be preferred, what is, and what is learned otherwise."""
    return [
        {
            "dimension": each.name,
            "field": each.preference,
            "options": [each.options[number] for number in each.offered],
            "stated": one.preferences.get(each.preference),
            "learned": profile[each.preference],
            "confidence": profile[each.confidence],
        }
        for each in approaches.dimensions
    ]


def signals(of: InteractionReply) -> str:
    """What was reported, in words."""
    said = ["started" if of.started else "never started"]
    if of.completed is not None:
        said.append("completed" if of.completed else "not completed")
    if of.time_to_start is not None:
        said.append(f"{words.seconds(of.time_to_start)} to start")
    if of.flow_state is not None:
        said.append("in flow" if of.flow_state else "not in flow")
    if of.satisfaction is not None:
        said.append(f"satisfaction {words.percent(of.satisfaction, 0)}")
    if not of.final:
        said.append("more to come")
    return ", ".join(said)


def _unexplained(shown: Sequence[PastReply]) -> dict[str, str]:
    """What is said once for all of several decisions of which nobody knows why any more, by the reason."""
    reasons = Counter(each.unexplained for each in shown if each.unexplained)
    return {
        reason: f"Why {'they' if many == len(shown) else f'{many} of them'} were decided so is not known "
        f"any more: {reason}."
        for reason, many in reasons.items()
        if many > 1
    }


def _pages(past: HistoryReply) -> dict[str, Any]:
    """Where the newer and the older are, and what is shown now."""
    shown: list[PastReply] = past.interactions
    end = past.offset + len(shown)
    return {
        "first": past.offset + 1 if shown else 0,
        "last": end,
        "newer": max(0, past.offset - PAST_A_PAGE) if past.offset else None,
        "older": end if end < past.kept else None,
    }
