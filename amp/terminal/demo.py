"""What `amp demo` shows: each stage while it runs, what was learned, what it was worth, and the way in."""

import asyncio
import secrets
import shlex
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from amp.demo.people import people
from amp.demo.play import Told, name
from amp.demo.run import Demonstration, Plan, Portrait, Running, demonstrated
from amp.learning.approaches import PUBLISHED
from amp.learning.lift import ALPHA, USERS_MIN, Difference
from amp.terminal import ledger_verify, talk
from amp.terminal.dashboard import made
from amp.terminal.demo_place import OWN_TENANT, Site, stay
from amp.terminal.demo_work import graded, taught, unaltered, worked
from amp.terminal.ledger_verify import Seen as Verified
from amp.terminal.posterior import Glyphs, drawing, glyphs, legend
from amp.terminal.progress import progress

_BAR = 28
_KEEP = "amp demo --serve keeps it, to look at in a browser"


def run(site: Site, users: int, seed: int, *, serve: bool, as_json: bool) -> None:
    """Runs the demonstration, shows it, and with `serve` stays up until Ctrl-C.

    Raises:
        CommandFailed: the service did not start, or stopped answering.
        StoreMissing: no store can be started or reached.
    """
    tenant = OWN_TENANT if site.own else f"demo-{secrets.token_hex(4)}"
    plan = Plan(tenant, people(users, seed, PUBLISHED), seed, live=serve)
    talk.say("A day of synthetic people and agents on a service of its own: about a minute.")
    with site.settings() as settings, demonstrated(settings, plan, stage=_stage, say=talk.say) as running:
        held = ledger_verify.read(running.settings, tenant, "live")
        link = _link(running) if serve else None
        if as_json:
            _as_json(running.shown, held, running.url, link)
        else:
            _as_summary(running.shown, held, _follow_up(site, running.shown))
            if link:
                _way_in(site, running, link)
        if link:
            stay()


@contextmanager
def _stage(words: str, what: str, total: int) -> Generator[Told]:
    talk.say(f"{words}.")
    with progress(total, what) as told:
        yield told


def _link(running: Running) -> str:
    """Signs in to the dashboard, once."""
    complete, url, shown = running
    token = asyncio.run(made(complete, shown.tenant, "live"))
    return f"{url}/sign-in/link/{token}"


def _way_in(site: Site, running: Running, link: str) -> None:
    """The dashboard, and how to get rid of all of it; the link is data."""
    talk.say("\nOpen the dashboard; the link signs in once, within ten minutes:")
    talk.write(link)
    talk.say("\nAnother link:")
    talk.say(f"  amp dashboard link --tenant {running.shown.tenant} --env live --url {running.url} \\")
    talk.say(f"    {shlex.join(site.options)}")
    talk.say(f"{site.told} {site.rid}")
    talk.say("The service runs until you press Ctrl-C.")


def _as_json(shown: Demonstration, held: Verified, url: str, link: str | None) -> None:
    """The summary for machines; options of a portrait as in the posterior, with their `truth`."""
    talk.write_json(
        {
            "url": url if link else None,
            "link": link,
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
            "business": msgspec.to_builtins(shown.business),
            "sessions": [each._asdict() for each in shown.sessions],
            "bridge": shown.bridge,
            "ledgerFindings": len(held.findings),
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


def _as_summary(shown: Demonstration, held: Verified, follow_up: str) -> None:
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
        worked(shown.business),
        "\n",
        graded(shown.sessions),
        "\n",
        taught(shown.bridge),
        "\n",
        unaltered(held),
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


def _follow_up(site: Site, shown: Demonstration) -> str:
    if not site.kept:
        return _KEEP
    user = shown.portraits[0].posterior.user_id if shown.portraits else name(0)
    return shlex.join(["amp", "profile", user, "--tenant", shown.tenant, "--env", "live", *site.options])
