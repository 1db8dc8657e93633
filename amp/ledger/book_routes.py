"""HTTP in, HTTP out for price lists, tools and rates."""

from typing import Annotated, Any, cast

import msgspec
from litestar import Controller, Response, get, put
from litestar.di import NamedDependency

from amp.clock import iso
from amp.http.body import BATCH_BYTES_MAX, parse
from amp.http.requests import ApiRequest
from amp.ledger.books import PriceLists
from amp.ledger.catalogue import KINDS, Document, Entry, Kind, Price, Rate, Tool
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheLists = NamedDependency[PriceLists]

_encoder = msgspec.json.Encoder(decimal_format="number")


class Prices(msgspec.Struct):
    """All the prices there are to be."""

    entries: list[Price]
    version: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Tools(msgspec.Struct):
    """All the tools there are to be."""

    entries: list[Tool]
    version: Annotated[int, msgspec.Meta(ge=0)] | None = None


class CurrencyRates(msgspec.Struct):
    """All the rates there are to be."""

    entries: list[Rate]
    version: Annotated[int, msgspec.Meta(ge=0)] | None = None


_BODIES: dict[Kind, Any] = {
    "pricing": msgspec.json.Decoder(Prices),
    "tools": msgspec.json.Decoder(Tools),
    "rates": msgspec.json.Decoder(CurrencyRates),
}


class BookRoutes(Controller):
    """What the operator states of money; records in the ledger keep the price they were given."""

    path = "/v1/ledger"
    opt = {"scopes": ("admin", "read")}  # noqa: RUF012  Litestar's way
    request_max_body_size = BATCH_BYTES_MAX

    @get("/pricing", summary="What models cost, by date")
    async def pricing(self, access: Caller, lists: TheLists) -> Response[bytes]:
        return _told(await lists.show(access.tenant, "pricing"))

    @get("/tools", summary="What tools cost, by date, and which of them are people")
    async def tools(self, access: Caller, lists: TheLists) -> Response[bytes]:
        return _told(await lists.show(access.tenant, "tools"))

    @get("/rates", summary="Rates between currencies, by date")
    async def rates(self, access: Caller, lists: TheLists) -> Response[bytes]:
        return _told(await lists.show(access.tenant, "rates"))

    @put([f"/{kind}" for kind in KINDS], opt={"scopes": ("admin",)}, summary="Make these all the entries")
    async def put(self, request: ApiRequest, access: Caller, lists: TheLists) -> Response[bytes]:
        """With `version`, only if that version stands."""
        kind: Kind = next(kind for kind in KINDS if request.url.path.endswith(kind))
        body: Prices | Tools | CurrencyRates = parse(await request.body(), _BODIES[kind], {})
        entries = cast("list[Entry]", body.entries)
        return _told(await lists.put(access.tenant, kind, entries, body.version))


def _told(document: Document[Any]) -> Response[bytes]:
    since = iso(document.since_ms) if document.version else None
    told = {"version": document.version, "since": since, "entries": document.entries}
    headers = {"ETag": f'"{document.version}"'}
    return Response(_encoder.encode(told), media_type="application/json", headers=headers)
