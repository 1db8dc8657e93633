"""What `amp demo` shows: a progress bar while it runs, then what was learned, and what it was worth."""

import shlex
from contextlib import nullcontext
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from amp.demo.people import people
from amp.demo.play import name
from amp.demo.run import Demonstration, Portrait, demonstrate
from amp.learning.approaches import PUBLISHED
from amp.learning.lift import ALPHA, USERS_MIN, Difference
from amp.parse import without_password
from amp.settings import Settings
from amp.simulate.serving import throw_away
from amp.terminal import talk
from amp.terminal.posterior import Glyphs, drawing, glyphs, legend
from amp.terminal.progress import progress

_BAR = 28
_KEEP = "amp serve runs your own service; amp demo --data DIR keeps a demo to see"


def run(settings: Settings, users: int, seed: int, *, kept: bool, as_json: bool) -> None:
    """Runs the demonstration and shows it.

    Raises:
        CommandFailed: the service did not start, or stopped answering.
        StoreMissing: no store can be started or reached.
    """
    crowd = people(users, seed, PUBLISHED)
    with (
        nullcontext(settings) if kept else throw_away(settings) as place,
        progress(int(crowd.stays.sum())) as told,
    ):
        shown = demonstrate(place, crowd, told=told, say=talk.say)
    if as_json:
        return _as_json(shown)
    return _as_summary(shown, _follow_up(settings, shown) if kept else _KEEP)


def _as_json(shown: Demonstration) -> None:
    """The summary for machines; options of a portrait as in the posterior, with their `truth`."""
    talk.write_json(
        {
            "tenant": shown.tenant,
            "users": len(shown.people.stays),
            "interactions": len(shown.played.interactions),
            "durationSeconds": round(shown.duration_s, 1),
            "priorsPublished": shown.priors,
            "troubles": shown.played.troubles,
            "lift": _lift_json(shown),
            "captured": [msgspec.to_builtins(each) for each in shown.captured],
            "capturedByBestSingleApproach": shown.best_single,
            "people": [_portrait_json(each) for each in shown.portraits],
        }
    )


def _lift_json(shown: Demonstration) -> dict[str, Any]:
    def told(difference: Difference | None) -> dict[str, Any] | None:
        return difference and msgspec.to_builtins(difference) | {"shown": difference.shown}

    return {
        "learnedUsers": shown.gain.learned_users,
        "controlUsers": shown.gain.control_users,
        "completionRate": told(shown.gain.completion_rate),
        "reward": told(shown.gain.reward),
    }


def _portrait_json(portrait: Portrait) -> dict[str, Any]:
    posterior: dict[str, Any] = msgspec.to_builtins(portrait.posterior)
    for dimension, truths in zip(posterior["dimensions"], portrait.truth, strict=True):
        for option, truth in zip(dimension["options"], truths.tolist(), strict=True):
            option["truth"] = truth
    return posterior


def _as_summary(shown: Demonstration, follow_up: str) -> None:
    """The same for the eyes, 80 columns wide; the figures last, where the eye is."""
    console = Console(highlight=False)
    drawn = glyphs(console)
    text = Text.assemble(
        ("What was learned of some people, and the truth that only a simulation knows\n", "bold"),
        legend(drawn, truth=True),
        "\n\n",
        *(Text.assemble(_portrait(each, drawn), "\n\n") for each in shown.portraits),
        _worth(shown),
        "\n",
        _captured(shown, drawn),
        "\n",
        _ran(shown),
        f"Next: {follow_up}",
    )
    console.print(text, no_wrap=True, crop=False, overflow="ignore")


def _portrait(portrait: Portrait, drawn: Glyphs) -> Text:
    believed = portrait.posterior
    return Text.assemble(
        (believed.user_id, "bold"),
        f"  {believed.total_interactions} interactions, userWeight {believed.user_weight:.2f}, "
        f"learned approach reaches {portrait.reached:.0%}\n",
        drawing(believed.dimensions, drawn, truth=[each.tolist() for each in portrait.truth]),
    )


def _worth(shown: Demonstration) -> Text:
    gain = shown.gain
    measures = (("Completed", gain.completion_rate), ("Reward", gain.reward))
    return Text.assemble(
        ("Is it worth it?", "bold"),
        f"  {gain.learned_users} learned, {gain.control_users} in control (a third, to compare); "
        f"{1 - ALPHA:.0%} intervals\n",
        *(f"  {label:<10} {_told(difference)}\n" for label, difference in measures),
    )


def _told(difference: Difference | None) -> str:
    if difference is None:
        return f"nothing is said before each group has {USERS_MIN} users"
    verdict = "an effect is shown" if difference.shown else "no effect shown yet"
    return (
        f"{difference.learned:.1%} vs {difference.control:.1%}, {100 * difference.estimate:+.1f} points "
        f"({100 * difference.low:+.1f} to {100 * difference.high:+.1f}): {verdict}"
    )


def _captured(shown: Demonstration, drawn: Glyphs) -> Text:
    text = Text.assemble(
        ("How near to the best?", "bold"), "  0% is a random approach, 100% each person's best one\n"
    )
    for each in shown.captured:
        bar = drawn.bar * round(_BAR * max(0.0, each.learned or 0.0))
        text.append(f"  Interactions {f'{each.first} to {each.last}':<10}")
        text.append(f"{bar:<{_BAR}}", style="cyan")
        text.append(f"{_share(each.learned)} learned {_share(each.control)} control\n")
    return text.append(f"  One approach for all, chosen knowing the truth: {shown.best_single:.0%}\n")


def _share(share: float | None) -> str:
    return f"{'-' if share is None else format(share, '.0%'):>5}"


def _ran(shown: Demonstration) -> Text:
    text = Text(
        f"{len(shown.people.stays):,} people, {len(shown.played.interactions):,} interactions over HTTP in "
        f"{shown.duration_s:.0f} s; {shown.priors} priors published\n"
    )
    if shown.played.troubles:
        told = ", ".join(f"{count} {trouble}" for trouble, count in shown.played.troubles.items())
        text.append(f"Not as it should be: {told}\n", style="red")
    return text


def _follow_up(settings: Settings, shown: Demonstration) -> str:
    place = (
        ["--redis", without_password(settings.redis)] if settings.redis else ["--data", str(settings.data)]
    )
    user = shown.portraits[0].posterior.user_id if shown.portraits else name(0)
    return shlex.join(["amp", "profile", user, "--tenant", shown.tenant, "--env", "live", *place])
