"""`amp lift`: what learning is worth, measured from the store whether or not the service runs."""

import textwrap
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.text import Text

from amp.learning.insights import (
    DifferenceReply,
    LiftReply,
    NeededReply,
    PlaceReply,
    RateReply,
    ReportingReply,
    Snapshot,
)
from amp.learning.measure import Measure, group_key
from amp.settings import Settings
from amp.tenancy import Tenant, tenant
from amp.terminal import talk
from amp.terminal.learner import Learner, with_learner
from amp.terminal.posterior import PLAIN, Glyphs, glyphs

WIDTH = 25
_NAMES = {"reward": "reward", "start": "starts", "completion": "completion", "timeToStart": "time to start"}
_AXIS = (5, 10, 20, 50, 100)
"""Half the axis, in points."""

_Interval = DifferenceReply | PlaceReply


class Seen(NamedTuple):
    """What was measured, and of whom."""

    tenant: Tenant
    measured: Snapshot


def read(settings: Settings, tenant_name: str, env: str) -> Seen:
    """Measures now.

    Raises:
        StoreUnavailable: there is no answer.
        InvalidInput: no such tenant can be.
    """
    owner = tenant(tenant_name, env)

    async def seen(learner: Learner) -> Seen:
        key = group_key(learner.settings.secret or "")
        measure = Measure(learner.facts, learner.insights, policies=learner.policies, key=key)
        return Seen(owner, await measure.of(owner))

    return with_learner(settings, seen)


def as_json(seen: Seen) -> None:
    """As the API gives it, with whose it is."""
    talk.write_json(
        {
            "tenant": seen.tenant.name,
            "env": seen.tenant.env,
            "lift": msgspec.to_builtins(seen.measured.lift),
            "reporting": msgspec.to_builtins(seen.measured.reporting),
        }
    )


def as_drawing(seen: Seen) -> None:
    """The same for the eyes, 80 columns wide."""
    draw(seen, Console(highlight=False))


def draw(seen: Seen, console: Console) -> None:
    """On this console."""
    drawn = glyphs(console)
    lift, reporting = seen.measured.lift, seen.measured.reporting
    parts = [
        _head(seen),
        _differences(lift, drawn),
        _where(lift, drawn),
        _reporting(reporting),
        _warnings(lift),
    ]
    text = Text("\n").join(part for part in parts if part)
    text.append(f"\nNext: {_next(seen)}")
    console.print(text, crop=False, overflow="ignore")


def _head(seen: Seen) -> Text:
    lift = seen.measured.lift
    text = Text.assemble(
        ("What learning is worth", "bold"), (f"  {seen.tenant.env} data of {seen.tenant.name}\n", "dim")
    )
    style = "bold green" if "better" in lift.verdict else "bold red" if "worse" in lift.verdict else "bold"
    text.append(_lines(lift.verdict[0].upper() + lift.verdict[1:]), style=style)
    if lift.reason:
        text.append(_lines(lift.reason[0].upper() + lift.reason[1:]))
    if not lift.outcomes:
        return text
    sampled = f" (a sample of {lift.users_known:,})" if lift.sampled else ""
    text.append(
        f"{lift.learned_users:,} learned and {lift.control_users:,} control users{sampled}, "
        f"{lift.outcomes:,} outcomes\n"
    )
    out = lift.left_out
    if out.with_preference or out.in_both_groups:
        text.append(
            f"Left out: {out.with_preference:,} users with a preference set by hand, "
            f"{out.in_both_groups:,} with both groups\n",
            style="dim",
        )
    return text


def _lines(sentence: str, indent: str = "") -> str:
    return textwrap.fill(sentence, 80, initial_indent=indent, subsequent_indent=indent or "  ") + "\n"


def _differences(lift: LiftReply, drawn: Glyphs) -> Text | None:
    told = [each for each in lift.differences if each.difference is not None]
    if not told:
        return None
    half = _half([each for each in told if each.metric != "timeToStart"])
    text = Text.assemble((f"{'':13}learned control {_axis(half)}  difference\n", "dim"))
    for each in told:
        values = [_seconds(each, value) for value in (each.learned, each.control)]
        text.append(f"{_NAMES[each.metric]:<13}{values[0]:>7} {values[1]:>7} ")
        text.append_text(_bar(each, half, drawn))
        text.append(f"  {_figures(each, '%' if each.metric == 'timeToStart' else '')}\n")
    text.append("95 % intervals that may be looked at as often as one likes\n", style="dim")
    needed = [f"{_NAMES[each.metric]} {_users(each.users_needed)}" for each in told if each.users_needed]
    if needed:
        text.append("More users, learned + control, until it is shown, if the estimate is so:\n", style="dim")
        text.append(", ".join(needed) + "\n")
    return text


def _seconds(each: DifferenceReply, value: float | None) -> str:
    if value is None:
        return "-"
    if each.metric != "timeToStart":
        return f"{value:.1%}"
    return (
        f"{value:.0f} s"
        if value < 600
        else f"{value / 60:.0f} min"
        if value < 36_000
        else f"{value / 3600:.0f} h"
    )


def _users(needed: NeededReply) -> str:
    return f"{needed.learned:,} + {needed.control:,}"


def _where(lift: LiftReply, drawn: Glyphs) -> Text | None:
    if not lift.where:
        return None
    half = _half(lift.where)
    text = Text.assemble(
        ("Where it pays", "bold"),
        "  in reward; together as sure as one of the above\n",
        (f"{'':13}{'learned/control':>15} {_axis(half)}\n", "dim"),
    )
    for each in lift.where:
        name = "unnamed type" if each.name is None else each.name or "no task type"
        text.append(f"{name:<14.14}{f'{each.learned_users:,}/{each.control_users:,}':>14} ")
        text.append_text(_bar(each, half, drawn))
        text.append(f"  {_figures(each) if each.difference is not None else 'too few users'}\n")
    return text


def _half(of: Sequence[_Interval]) -> int:
    """Half the axis: as wide as the intervals want it."""
    ends = [abs(100 * end) for each in of for end in (each.low, each.high) if end is not None]
    return next((half for half in _AXIS if max(ends, default=0.0) <= half), _AXIS[-1])


def _axis(half: int) -> str:
    low, high = f"{-half}", f"+{half}"
    middle = WIDTH // 2
    return f"{low:<{middle}}0{high:>{WIDTH - middle - 1}}"


def _bar(each: _Interval, half: int, drawn: Glyphs) -> Text:
    """An interval about 0; what lies beyond the axis is drawn at its edge."""

    def place(value: float) -> int:
        return round((max(-half, min(half, 100 * value)) / half + 1) / 2 * (WIDTH - 1))

    marks = [(" ", "")] * WIDTH
    if each.low is not None and each.high is not None and each.difference is not None:
        style = ("green" if _good(each) else "red") if each.shown else "cyan"
        low, high = place(each.low), place(each.high)
        marks[low : high + 1] = [(drawn.line, style)] * (high + 1 - low)
        marks[low] = (drawn.low if 100 * each.low >= -half else "<", style)
        marks[high] = (drawn.high if 100 * each.high <= half else ">", style)
        marks[WIDTH // 2] = ("|" if drawn is PLAIN else "┼" if low < WIDTH // 2 < high else "│", "dim")
        marks[place(each.difference)] = (drawn.mean, f"bold {style}")
    else:
        marks[WIDTH // 2] = ("|" if drawn is PLAIN else "│", "dim")
    return Text.assemble(
        *(("".join(mark for mark, _ in run), style) for style, run in groupby(marks, itemgetter(1)))
    )


def _good(each: _Interval) -> bool:
    more = (each.difference or 0.0) > 0.0
    return more != (isinstance(each, DifferenceReply) and each.metric == "timeToStart")


def _figures(each: _Interval, unit: str = "") -> str:
    middle, low, high = (100 * (value or 0.0) for value in (each.difference, each.low, each.high))
    if unit:
        return f"{middle:+.0f}{unit} ({low:+.0f} to {high:+.0f})"
    return f"{middle:+.1f} ({low:+.1f} to {high:+.1f})"


def _reporting(of: ReportingReply) -> Text | None:
    if not of.all.decided:
        return None
    still = "; outcomes may still come" if of.window_open else ""
    text = Text.assemble(("Who reports", "bold"), f"  {_rate(of.all)}{still}\n")
    if of.control.decided:
        text.append(f"learned {_rate(of.learned)}, control {_rate(of.control)}\n")
    return text


def _rate(of: RateReply) -> str:
    return "no decisions" if of.rate is None else f"{of.rate:.0%} of {of.decided:,} decisions"


def _warnings(lift: LiftReply) -> Text | None:
    text = Text()
    for each in lift.warnings:
        text.append(_lines(each.says), style="yellow")
        text.append(_lines(each.do, indent="  "))
    return text or None


def _next(seen: Seen) -> str:
    lift = seen.measured.lift
    if not lift.outcomes:
        other = "test" if seen.tenant.env == "live" else "live"
        return f"report outcomes with POST /v1/outcome; the other data: amp lift --env {other}"
    if seen.tenant.env == "test":
        return "amp lift --env live; only live keys have a control group"
    if not lift.control_users:
        return "amp serve with AMP_CONTROL_SHARE=0.05 keeps a control group to compare with"
    return "for machines: amp lift --env live --json, or GET /v1/insights/lift"
