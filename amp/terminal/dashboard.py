"""`amp dashboard`: the way in without a key at hand."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from amp.terminal import talk
from amp.terminal.options import TEST, Data, Env, Json, RedisUrl, settings_of

if TYPE_CHECKING:
    from amp.settings import Settings

SCOPES = ("read", "profile", "ledger", "sessions")
LASTS_MS = 12 * 3600 * 1000
"""Of the key that a link makes: as long as a session."""

dashboard = typer.Typer(no_args_is_help=True, help="Open the dashboard of a running service.")


@dashboard.callback()
def group() -> None:
    """Keeps `link` a command of its own, though it is the only one."""


@dashboard.command()
def link(
    *,
    tenant: Annotated[str, typer.Option(help="Whose data it shows.")] = "default",
    env: Env = TEST,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="ID",
            help="Sign in by this key, as `amp keys list` shows it, instead of a new one for 12 hours that "
            "may read, set profiles and report outcomes.",
        ),
    ] = None,
    url: Annotated[str | None, typer.Option(help="Where the service is (AMP_PORT on this machine).")] = None,
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Print a link that signs in to the dashboard: once, within ten minutes."""
    from amp.store.keeper import opened

    with opened(settings_of(data=data, redis=redis)) as settings:
        token = asyncio.run(made(settings, tenant, env, key))
        address = f"{(url or f'http://127.0.0.1:{settings.port}').rstrip('/')}/sign-in/link/{token}"
    if as_json:
        return talk.write_json({"url": address})
    talk.say(f"Opens {env} data of {tenant}, once, within ten minutes:")
    return talk.write(address)


async def made(settings: "Settings", tenant: str, env: str, key_id: str | None = None) -> str:
    """The token of a one-time link, by an existing key or by a fresh one.

    Raises:
        NotFound: no key has this id.
        InvalidParameter: a bad tenant or environment.
        StoreUnavailable: nobody knows whether it was made.
        NotReplicated: the key was made, and too few replicas have it.
    """
    from amp.clock import now_ms
    from amp.store.connection import store_of
    from amp.store.keyring import Keyring, pepper
    from amp.store.links import Links

    store = store_of(settings)
    try:
        ring = Keyring(store, pepper(settings.secret or ""))
        if key_id is None:
            _, record = await ring.create(
                tenant=tenant, env=env, scopes=SCOPES, expires_ms=now_ms() + LASTS_MS
            )
            key_id = record.id
        return await Links(store).make(await ring.digest_of(key_id))
    finally:
        await store.close()
