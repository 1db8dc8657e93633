"""The commands of `amp pricing`, `amp tools` and `amp rates`."""
# ruff: noqa: PLC0415  loaded when a command runs: `amp --help` stays quick

from typing import Annotated, Any

import typer

from amp.terminal import books, talk
from amp.terminal.options import Data, Env, Json, RedisUrl, Whose, settings_of

pricing = typer.Typer(no_args_is_help=True, help="What models cost, by date, a million tokens.")
tools = typer.Typer(no_args_is_help=True, help="What tools cost, by date, and which of them are people.")
rates = typer.Typer(no_args_is_help=True, help="Rates between currencies, by date.")

Model = Annotated[str, typer.Argument(metavar="PROVIDER/MODEL", help="A * at the end covers any ending.")]
Since = Annotated[
    str | None,
    typer.Option("--from", metavar="DATE", help="From when; else ever since for a first entry, or now."),
]
Only = Annotated[str | None, typer.Option("--from", metavar="DATE", help="Only the entry of this date.")]
ForAnHour = Annotated[
    str | None, typer.Option("--cache-write-1h", help="The same of those that stay for an hour.")
]
Batch = Annotated[
    str | None, typer.Option(help="What part of these prices the BATCH tier costs, such as 0.5.")
]
Currency = Annotated[str, typer.Option(help="Of the price.")]


@pricing.command("set")
def set_price(
    model: Model,
    input_price: Annotated[str, typer.Argument(metavar="INPUT", help="Price of 1M input tokens.")],
    output_price: Annotated[str, typer.Argument(metavar="OUTPUT", help="Price of 1M output tokens.")],
    *,
    cache_write: Annotated[str | None, typer.Option(help="Price of 1M tokens put in the cache.")] = None,
    cache_write_1h: ForAnHour = None,
    cache_read: Annotated[str | None, typer.Option(help="Price of 1M tokens read from the cache.")] = None,
    batch: Batch = None,
    input_includes_cache: Annotated[
        bool, typer.Option("--input-includes-cache", help="Input counts have the cached tokens in them.")
    ] = False,
    currency: Currency = "USD",
    since: Since = None,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Set what a model costs from a date on; what is in the ledger keeps its price."""
    from amp.ledger.catalogue import Price

    provider, name = _split(model)
    made = Price(
        provider,
        name,
        books.amount(input_price, "INPUT"),
        books.amount(output_price, "OUTPUT"),
        cache_creation=books.optional(cache_write, "--cache-write"),
        cache_read=books.optional(cache_read, "--cache-read"),
        cache_creation_1h=books.optional(cache_write_1h, "--cache-write-1h"),
        batch=books.optional(batch, "--batch"),
        input_includes_cache=input_includes_cache,
        currency=currency,
    )
    settings = settings_of(data=data, redis=redis)
    after = books.change("pricing", lambda all_: books.placed(all_, made, since), tenant, env, settings)
    _done("pricing", after, as_json=as_json)


@pricing.command("list")
def list_prices(
    *,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """List every price, the old beside the new."""
    books.show("pricing", tenant, env, settings_of(data=data, redis=redis), as_json=as_json)


@pricing.command("remove")
def remove_price(
    model: Model,
    *,
    since: Only = None,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Remove a model's prices: from now on its tokens are unpriced unless the sender prices them."""
    names = tuple(part.lower() for part in _split(model))
    settings = settings_of(data=data, redis=redis)
    after = books.change("pricing", lambda all_: books.without(all_, names, since), tenant, env, settings)
    _done("pricing", after, as_json=as_json)


@tools.command("set")
def set_tool(
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="The toolId of its events.")],
    price: Annotated[str, typer.Argument(metavar="PRICE", help="Of one call, minute or unit.")],
    *,
    per: Annotated[
        str, typer.Option(metavar="call|minute|NAME", help="NAME: a number in usageMetadata.")
    ] = "call",
    human: Annotated[bool, typer.Option("--human", help="It is a person's time.")] = False,
    inactive: Annotated[bool, typer.Option("--inactive", help="Do not price it.")] = False,
    name: Annotated[str | None, typer.Option(help="For people to read.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="REST API, MCP server, ...")] = None,
    provider: Annotated[str | None, typer.Option(help="Whose tool it is.")] = None,
    currency: Currency = "USD",
    since: Since = None,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Set what a tool costs from a date on; what is in the ledger keeps its price."""
    from amp.ledger.catalogue import Tool

    made = Tool(
        tool,
        books.amount(price, "PRICE"),
        per="call" if per == "call" else "minute" if per == "minute" else "unit",
        unit=None if per in {"call", "minute"} else per,
        human=human,
        active=not inactive,
        name=name,
        type=kind,
        provider=provider,
        currency=currency,
    )
    settings = settings_of(data=data, redis=redis)
    after = books.change("tools", lambda all_: books.placed(all_, made, since), tenant, env, settings)
    _done("tools", after, as_json=as_json)


@tools.command("list")
def list_tools(
    *,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """List every tool, the old prices beside the new."""
    books.show("tools", tenant, env, settings_of(data=data, redis=redis), as_json=as_json)


@tools.command("remove")
def remove_tool(
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="The toolId of its events.")],
    *,
    since: Only = None,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Remove a tool: from now on its events are unpriced unless the sender prices them."""
    settings = settings_of(data=data, redis=redis)
    after = books.change("tools", lambda all_: books.without(all_, (tool,), since), tenant, env, settings)
    _done("tools", after, as_json=as_json)


@rates.command("set")
def set_rate(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A currency.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="Another.")],
    rate: Annotated[str, typer.Argument(metavar="RATE", help="What one FROM is worth in TO.")],
    *,
    since: Since = None,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Set a rate from a date on; reports convert by it only when they are asked to."""
    from amp.ledger.catalogue import Rate

    made = Rate(source.upper(), to.upper(), books.amount(rate, "RATE"))
    settings = settings_of(data=data, redis=redis)
    after = books.change("rates", lambda all_: books.placed(all_, made, since), tenant, env, settings)
    _done("rates", after, as_json=as_json)


@rates.command("list")
def list_rates(
    *,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """List every rate, the old beside the new."""
    books.show("rates", tenant, env, settings_of(data=data, redis=redis), as_json=as_json)


@rates.command("remove")
def remove_rate(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A currency.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="Another.")],
    *,
    since: Only = None,
    tenant: Whose = "default",
    env: Env = "test",
    data: Data = None,
    redis: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Remove a rate: amounts in FROM are shown beside those in TO."""
    names = (source.upper(), to.upper())
    settings = settings_of(data=data, redis=redis)
    after = books.change("rates", lambda all_: books.without(all_, names, since), tenant, env, settings)
    _done("rates", after, as_json=as_json)


def _split(model: str) -> tuple[str, str]:
    from amp.exits import CommandFailed

    provider, slash, name = model.partition("/")
    if not (provider and slash and name):
        raise CommandFailed(f"The model must be PROVIDER/MODEL, as openai/gpt-4o, not {model!r}.")
    return provider, name


def _done(kind: str, after: Any, *, as_json: bool) -> None:
    if as_json:
        books.write_json(after)
        return
    talk.say(f"Version {after.version} is in force; workers follow within a second. See it: amp {kind} list")
