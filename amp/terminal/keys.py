"""`amp keys`: makes, lists and ends API keys, whether or not the service runs."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from amp.terminal import talk
from amp.terminal.options import TEST, Data, Env, Json, RedisUrl, settings_of

if TYPE_CHECKING:
    from amp.settings import Settings
    from amp.store.keyring import KeyFormat, KeyRecord, Keyring

Answer = TypeVar("Answer")
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `amp keys list` shows it.")]
Spelled = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="amp|rev",
        help="amp_sk_..., or rev_sk_<tenant>_... for clients of the ledger: rev_mk_ when the scope is "
        "meter alone, rev_rk_ when it is read alone.",
    ),
]

TenantName = Annotated[str, typer.Option(help="Whose data it opens: 1 to 32 of a-z, 0-9 and '-'.")]
Scopes = Annotated[
    str,
    typer.Option(
        help="What it may do, separated by spaces or commas: context outcome profile meter ledger "
        "sessions worker read admin, or all."
    ),
]
Bound = Annotated[
    str | None,
    typer.Option(metavar="env_...", help="Of a worker's key: the environment of sessions that it works for."),
]
Expires = Annotated[
    str | None, typer.Option(metavar="30d|DATE", help="When it ends: a duration from now, or an ISO date.")
]

keys = typer.Typer(no_args_is_help=True, help="Make, list, revoke and rotate API keys.")


@keys.command()
def create(
    *,
    tenant: TenantName = "default",
    env: Env = TEST,
    scopes: Scopes = "context outcome profile ledger sessions",
    environment: Bound = None,
    spelled: Spelled = "amp",
    expires: Expires = None,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it: only now, it is kept as a hash."""
    expires_ms = _moment(expires)
    chosen = tuple(scopes.replace(",", " ").split())
    as_asked = _spelling(spelled)
    if "worker" in chosen and not environment:
        raise typer.BadParameter("a worker's key needs one", param_hint="--environment")
    key, record = _with_keyring(
        lambda ring: ring.create(
            tenant=tenant,
            env=env,
            scopes=chosen,
            expires_ms=expires_ms,
            spelled=as_asked,
            environment=environment,
        ),
        data,
        redis,
    )
    _hand_over(key, record, as_json=as_json)


@keys.command("list")
def show(*, data: Data = None, redis: RedisUrl = None, as_json: Json = False) -> None:
    """List every key ever made; none can be shown again."""
    records = _with_keyring(lambda ring: ring.all(), data, redis)
    if as_json:
        return talk.write_json([_facts(record) for record in records])
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "tenant", "env", "status", "scopes", "created", "expires")
    for record in records:
        facts = _facts(record)
        days = (str(facts[name] or "")[:10] for name in ("created", "expires"))
        table.add_row(record.id, record.tenant, record.env, facts["status"], " ".join(record.scopes), *days)
    return Console().print(table)


@keys.command()
def revoke(key_id: KeyId, *, data: Data = None, redis: RedisUrl = None, as_json: Json = False) -> None:
    """End a key: it is refused everywhere within a second."""
    record = _with_keyring(lambda ring: ring.revoke(key_id), data, redis)
    if as_json:
        return talk.write_json(_facts(record))
    return talk.say(f"Key {record.id} is revoked.")


@keys.command()
def rotate(key_id: KeyId, *, data: Data = None, redis: RedisUrl = None, as_json: Json = False) -> None:
    """Make a key with the same rights and end the old one."""
    key, record = _with_keyring(lambda ring: ring.rotate(key_id), data, redis)
    _hand_over(key, record, as_json=as_json)


def _with_keyring(
    work: "Callable[[Keyring], Awaitable[Answer]]", data: str | None, redis: str | None
) -> Answer:
    from amp.store.connection import store_of
    from amp.store.keeper import opened
    from amp.store.keyring import Keyring, pepper

    async def run(settings: "Settings") -> Answer:
        store = store_of(settings)
        try:
            return await work(Keyring(store, pepper(settings.secret or "")))
        finally:
            await store.close()

    with opened(settings_of(data=data, redis=redis)) as settings:
        return asyncio.run(run(settings))


def _moment(expires: str | None) -> int | None:
    from amp.clock import now_ms
    from amp.parse import moment_ms

    if expires is None:
        return None
    try:
        return moment_ms(expires, now_ms())
    except ValueError as error:
        raise typer.BadParameter(f"{error}, not {expires!r}", param_hint="--expires") from error


def _spelling(asked: str) -> "KeyFormat":
    if asked == "amp" or asked == "rev":  # noqa: PLR1714  by which pyright knows them
        return asked
    raise typer.BadParameter(f"must be amp or rev, not {asked!r}", param_hint="--format")


def _hand_over(key: str, record: "KeyRecord", *, as_json: bool) -> None:
    if as_json:
        return talk.write_json({"key": key, **_facts(record)})
    until = f" until {_facts(record)['expires']}" if record.expires_ms else ""
    talk.say(
        f"Key {record.id} for {record.env} data of {record.tenant}: {' '.join(record.scopes)}{until}. "
        "Keep it now, it is not shown again:"
    )
    return talk.write(key)


def _facts(record: "KeyRecord") -> dict[str, Any]:
    from amp.clock import iso, now_ms

    expired = record.expires_ms is not None and record.expires_ms <= now_ms()
    return {
        "id": record.id,
        "tenant": record.tenant,
        "env": record.env,
        "status": "revoked" if record.revoked_ms is not None else "expired" if expired else "active",
        "scopes": list(record.scopes),
        "environment": record.environment,
        "created": iso(record.created_ms),
        "expires": iso(record.expires_ms) if record.expires_ms is not None else None,
        "revoked": iso(record.revoked_ms) if record.revoked_ms is not None else None,
    }
