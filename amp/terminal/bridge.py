"""`amp bridge`: what jobs' outcomes and grades teach, and how far they have come."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from amp.terminal import talk
from amp.terminal.options import TEST, Data, Env, Json, RedisUrl, settings_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from amp.bridge.mapping import MappingChange
    from amp.bridge.store import BridgeStore
    from amp.bridge.wire import MappingReply
    from amp.settings import Settings
    from amp.tenancy import Tenant

Answer = TypeVar("Answer")
Work = Callable[["BridgeStore", "Tenant"], Awaitable[Answer]]
Owner = Annotated[str, typer.Option("--tenant", help="Whose mapping it is.")]
OPERATOR = "operator"

bridge = typer.Typer(
    no_args_is_help=True, help="See and change what jobs' outcomes and grades teach, and how far they are."
)


@bridge.command()
def status(
    *,
    tenant: Owner = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Tell what is on its way, and what came of all that was carried."""
    from amp.bridge.progress import Progress

    found = _with_store(
        lambda store, owner: Progress(store).status(owner), tenant, env, settings_of(data=data, redis=redis)
    )
    if as_json:
        return _write_json(found)
    from rich.table import Table

    table = Table("", "", show_header=False)
    waited = "" if found.oldest_age is None else f", the oldest for {found.oldest_age:.1f} s"
    lag = "" if found.last_lag is None else f", the last in {found.last_lag:.2f} s"
    told = {
        "waiting": f"{found.waiting:,}{waited}",
        "last looked": (found.last_looked or "never: is amp serve running?").replace("T", " ") + lag,
        "taught": f"{found.taught:,} decisions that nothing was known of",
        "filled": f"{found.filled:,} with something new",
        "agreed": f"{found.agreed:,} with what was known",
        "contradictions": f"{found.contradictions:,}, kept, and count in nothing",
        "nothing": f"{found.nothing:,} that say nothing by the mapping",
        "replays": f"{found.replays:,} carried before",
        "refused": f"{found.expired:,} too old or erased, {found.unknown:,} unknown, {found.full:,} too many",
        "skipped": f"{found.skipped:,} that nobody can read" + (": see the log" if found.skipped else ""),
    }
    for name, value in told.items():
        table.add_row(name, value)
    return _print(table)


@bridge.command()
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
    """Show the mapping in force; its JSON, changed, is what `amp bridge set` takes."""

    async def read(store: "BridgeStore", owner: "Tenant") -> "MappingReply":
        from amp.bridge.maps import Maps
        from amp.bridge.wire import mapping_reply

        maps = Maps(store)
        return mapping_reply(await (maps.show(owner) if version is None else maps.version(owner, version)))

    found = _with_store(read, tenant, env, settings_of(data=data, redis=redis))
    return _write_json(found) if as_json else _print(*_drawn(found))


@bridge.command("set")
def change(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON with what is to change; - is stdin.")],
    *,
    why: Annotated[str | None, typer.Option(help="Kept with the version.")] = None,
    tenant: Owner = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Change what FILE says of the mapping, as a new version, for all that is carried from now on."""
    wanted = _read(file)
    wanted.why = why or wanted.why

    async def write(store: "BridgeStore", owner: "Tenant") -> "tuple[MappingReply, MappingReply]":
        from amp.bridge.maps import Maps
        from amp.bridge.wire import mapping_reply

        maps = Maps(store)
        before = await maps.show(owner)
        return mapping_reply(before), mapping_reply(await maps.change(owner, wanted, by=OPERATOR))

    before, made = _with_store(write, tenant, env, settings_of(data=data, redis=redis))
    if as_json:
        return _write_json(made)
    if made.version == before.version:
        return talk.say(f"Nothing to change: version {made.version} says so already.")
    for line in _changes(before, made):
        talk.say(line)
    return talk.say(
        f"Version {made.version} is in force. See it: amp bridge show --tenant {tenant} --env {env}"
    )


@bridge.command()
def history(
    *,
    last: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="How many.")] = 20,
    tenant: Owner = "default",
    env: Env = TEST,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """List the newest versions: who made each, when and why, and what it changed."""

    async def read(store: "BridgeStore", owner: "Tenant") -> "list[MappingReply]":
        from amp.bridge.maps import Maps
        from amp.bridge.wire import mapping_reply

        return [mapping_reply(each) for each in await Maps(store).history(owner, last + 1)]

    found = _with_store(read, tenant, env, settings_of(data=data, redis=redis))
    if as_json:
        return _write_json(found[:last])
    from rich.table import Table

    table = Table("version", "since", "by", "why", "changed")
    for number, each in enumerate(found[:last]):
        older = found[number + 1] if number + 1 < len(found) else None
        changed = "\n".join(_changes(older, each)) if older else "the default"
        since = (each.since or "")[:16].replace("T", " ")
        table.add_row(str(each.version), since, each.by or "", each.why or "", changed)
    return _print(table)


def _read(file: str) -> "MappingChange":
    import msgspec

    from amp.bridge.mapping import MappingChange
    from amp.exits import CommandFailed
    from amp.http.body import parse

    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror or error}.") from error
    return parse(content, msgspec.json.Decoder(MappingChange), {})


def _with_store(work: "Work[Answer]", name: str, env: str, settings: "Settings") -> Answer:
    """The answer of `work`, whether or not the service runs."""
    from amp.bridge.store import LIBRARY, BridgeStore
    from amp.store.connection import store_of
    from amp.store.functions import Functions
    from amp.store.keeper import opened
    from amp.tenancy import tenant

    owner = tenant(name, env)

    async def worked(complete: "Settings") -> Answer:
        store = store_of(complete)
        try:
            return await work(BridgeStore(store, Functions(store, [LIBRARY])), owner)
        finally:
            await store.close()

    with opened(settings) as complete:
        return asyncio.run(worked(complete))


def _facts(of: "MappingReply") -> dict[str, Any]:
    """Every rule, by its path."""
    import msgspec

    told: dict[str, Any] = msgspec.to_builtins(of)
    groups = ("outcomeTypes", "executionStatuses", "results", "custom")
    rules = {f"{group}.{name}": effect for group in groups for name, effect in told[group].items()}
    return rules | {name: told[name] for name in ("iterationDecay", "valueWeight")}


def _changes(before: "MappingReply", after: "MappingReply") -> list[str]:
    old, new = _facts(before), _facts(after)
    names = [*old, *(name for name in new if name not in old)]
    return [
        f"{name}: {old.get(name, '-')} → {new.get(name, '-')}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _drawn(found: "MappingReply") -> "list[RenderableType]":
    from rich.table import Table

    style = {"completed": "green", "not_completed": "red", "nothing": "dim"}
    table = Table("what came of it", "what it teaches")
    for name, value in _facts(found).items():
        table.add_row(name, f"[{style[value]}]{value}[/]" if value in style else f"{value:g}")
    since = f"since {found.since} by {found.by}" if found.since else "the default"
    return [f"Mapping version {found.version}, {since}", table]


def _print(*shown: "RenderableType") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for each in shown:
        console.print(each)


def _write_json(value: Any) -> None:
    import msgspec

    talk.write_json(msgspec.to_builtins(value))
