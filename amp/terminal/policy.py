"""`amp policy`: a tenant's policy, read and changed in the store whether or not the service runs."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from amp.terminal import talk
from amp.terminal.options import TEST, Data, Json, RedisUrl, settings_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from amp.learning.amend import PolicyChange
    from amp.learning.policy_book import PolicyBook
    from amp.learning.policy_wire import Change, DryRunReply, PolicyReply
    from amp.settings import Settings
    from amp.tenancy import Tenant

Answer = TypeVar("Answer")
Work = Callable[["PolicyBook", "Tenant"], Awaitable[Answer]]
Owner = Annotated[str, typer.Option(help="Whose policy it is.")]
Env = Annotated[str, typer.Option(metavar="live|test", help="Of live data or of test data.")]

policy = typer.Typer(
    no_args_is_help=True, help="Show and change a tenant's policy: dimensions, options, weights, shares."
)


@policy.command()
def show(
    *,
    version: Annotated[
        int | None, typer.Option(metavar="N", help="An earlier version; else the one in force.")
    ] = None,
    tenant: Owner = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Show what is in force; its JSON, changed, is what `amp policy set` takes."""

    def read(book: "PolicyBook", owner: "Tenant") -> "Awaitable[PolicyReply]":
        return book.show(owner) if version is None else book.version(owner, version)

    found = _with_book(read, tenant, env, settings_of(data=data, redis=redis))
    if as_json:
        return _write_json(found)
    return _print(*_drawn(found))


@policy.command("set")
def change(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON with what is to change; - is stdin.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change, and how rewards would move.")
    ] = False,
    tenant: Owner = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Change what FILE says of the policy, as a new version; workers follow within a second."""
    wanted, settings = _read(file), settings_of(data=data, redis=redis)
    would = _with_book(lambda book, owner: book.dry_run(owner, wanted, None), tenant, env, settings)
    if dry_run:
        return (
            _write_json(would)
            if as_json
            else _print(*_outlook(would, f"{file} --tenant {tenant} --env {env}"))
        )
    made = _with_book(lambda book, owner: book.change(owner, wanted, None), tenant, env, settings)
    if as_json:
        return _write_json(made)
    if not would.changes:
        return talk.say(f"Nothing to change: version {made.version} says so already.")
    _print(_table(would.changes))
    return talk.say(
        f"Version {made.version} is in force. See it: amp policy show --tenant {tenant} --env {env}"
    )


@policy.command()
def versions(
    *,
    last: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="How many.")] = 20,
    tenant: Owner = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """List the newest versions and what each of them changed."""
    found = _with_book(
        lambda book, owner: book.history(owner, last), tenant, env, settings_of(data=data, redis=redis)
    )
    if as_json:
        return _write_json(found)
    from rich.table import Table

    table = Table("version", "since", "changed")
    for each in found:
        changed = [_sentence(one) for one in each.changes] or ["the operator's settings"]
        table.add_row(str(each.version), (each.since or "")[:16].replace("T", " "), "\n".join(changed))
    return _print(table)


def _read(file: str) -> "PolicyChange":
    import msgspec

    from amp.exits import CommandFailed
    from amp.http.body import parse
    from amp.learning.amend import PolicyChange

    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror or error}.") from error
    return parse(content, msgspec.json.Decoder(PolicyChange), {})


def _with_book(work: "Work[Answer]", name: str, env: str, settings: "Settings") -> Answer:
    from amp.learning.policy_book import PolicyBook
    from amp.tenancy import tenant
    from amp.terminal.learner import Learner, with_learner

    owner = tenant(name, env)

    def on(learner: Learner) -> Awaitable[Answer]:
        facts, ruling = learner.facts, learner.policies
        return work(PolicyBook(learner.documents, facts, policies=ruling, priors=learner.priors), owner)

    return with_learner(settings, on)


def _drawn(found: "PolicyReply") -> "list[RenderableType]":
    from rich.table import Table
    from rich.text import Text

    style = {"active": "", "paused": "yellow", "retired": "dim strike"}
    dimensions = Table("dimension", "options", "in the profile")
    for each in found.dimensions:
        options = Text(", ").join(
            Text(one.name if one.state == "active" else f"{one.name} ({one.state})", style=style[one.state])
            for one in each.options
        )
        dimensions.add_row(each.name, options, f"{each.preference}, {each.confidence}")
    values = Table("", "", show_header=False)
    baseline = found.baseline and ", ".join(found.baseline.values())
    told: dict[str, Any] = {
        "combinations": f"{found.combinations:,}",
        "weights": ", ".join(f"{name} {value:g}" for name, value in _weights(found).items()),
        "outcomeWindow": f"{found.outcome_window:g} s",
        "controlShare": f"{found.control_share:.1%}",
        "exploreFloor": f"{found.explore_floor:.1%}",
        "decay": f"{found.decay:g}",
        "temperature": "the learner's own" if found.temperature is None else f"{found.temperature:g}",
        "populationTemperature": f"{found.population_temperature:g}",
        "learner": found.learner,
        "mode": found.mode + (f" since {found.frozen_at}" if found.frozen_at else ""),
        "baseline": baseline or "none",
    }
    for name, value in told.items():
        values.add_row(name, str(value))
    since = f"since {found.since}" if found.since else "the operator's settings"
    return [f"Policy version {found.version}, {since}", dimensions, values]


def _weights(found: "PolicyReply") -> dict[str, float]:
    import msgspec

    weights: dict[str, float] = msgspec.to_builtins(found.weights)
    return weights


def _outlook(would: "DryRunReply", arguments: str) -> "list[RenderableType]":
    from rich.table import Table

    if not would.changes:
        return ["Nothing would change."]
    shown: list[RenderableType] = [_table(would.changes)]
    if would.no_longer_shown:
        shown.append("No longer shown: " + ", ".join(would.no_longer_shown) + ".")
    rewards = would.rewards
    if rewards is not None and rewards.before is not None and rewards.after is not None:
        head = f"Mean reward of {rewards.outcomes:,} outcomes of {rewards.users:,} users: "
        shown.append(head + f"{rewards.before:.3f} would be {rewards.after:.3f}.")
        table = Table("dimension", "option", "mean reward", "would be", "moves by")
        for each in rewards.options:
            move = f"{each.after - each.before:+.3f}"
            table.add_row(each.dimension, each.option, f"{each.before:.3f}", f"{each.after:.3f}", move)
        shown.append(table)
    return [*shown, f"Nothing was changed. Do it: amp policy set {arguments}"]


def _table(changes: "list[Change]") -> "RenderableType":
    from rich.table import Table

    table = Table("field", "from", "to")
    for each in changes:
        table.add_row(each.field, _value(each.before), _value(each.after))
    return table


def _sentence(change: "Change") -> str:
    return f"{change.field}: {_value(change.before)} → {_value(change.after)}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())  # pyright: ignore[reportUnknownVariableType]
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _print(*shown: "RenderableType") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for each in shown:
        console.print(each)


def _write_json(value: Any) -> None:
    import msgspec

    talk.write_json(msgspec.to_builtins(value))
