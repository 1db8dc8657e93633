"""What is kept beside sessions: agents, environments, files and work, as documents with versions."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.grading_keys import shelf_index, shelf_item
from amp.tenancy import Tenant

LIBRARY = files("amp.grading").joinpath("shelf.lua").read_text()

Document = dict[str, Any]
_document = msgspec.json.Decoder(Document)


class Item(NamedTuple):
    """One reading of a document."""

    version: int
    document: Document


class ShelfStore:
    """Documents of a tenant by kind and id; each lies in as many lists of the tenant as it belongs to."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions

    async def get(self, tenant: Tenant, kind: str, item: str) -> Item | None:
        """The document as it stands; None where there is none.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return (await self.get_all(tenant, kind, [item]))[0]

    async def get_all(self, tenant: Tenant, kind: str, items: Sequence[str]) -> list[Item | None]:
        """These documents in their order.

        Raises:
            StoreUnavailable: there is no answer.
        """
        commands = [("HMGET", shelf_item(tenant, kind, each), "v", "d") for each in items]
        replies = await self._store.ask_all(commands) if commands else []
        return [Item(int(reply[0]), _document.decode(reply[1])) if reply[0] else None for reply in replies]

    async def versions(self, tenant: Tenant, kind: str, item: str) -> list[Document]:
        """Every version that was kept, and the one that stands, newest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        flat = await self._store.ask("HGETALL", shelf_item(tenant, kind, item))
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        older = sorted((int(name[1:]) for name in fields if name[:1] == b"d" and name != b"d"), reverse=True)
        current = [fields[b"d"]] if b"d" in fields else []
        return [_document.decode(raw) for raw in [*current, *(fields[b"d%d" % number] for number in older)]]

    async def put(
        self,
        tenant: Tenant,
        kind: str,
        item: str,
        document: Document,
        *,
        made_us: int,
        version: int = 0,
        lists: Mapping[str, bool],
        keep: bool = False,
    ) -> bool:
        """Puts a document if the version it was made from stands; False when another does.

        `lists` says of each list whether it belongs into it, `keep` that the version before stays readable.

        Raises:
            StoreUnavailable: nobody knows; it may be sent again.
        """
        keys = [shelf_item(tenant, kind, item), *(shelf_index(tenant, name) for name in lists)]
        belongs = ["1" if each else "" for each in lists.values()]
        arguments = [version, msgspec.json.encode(document), made_us, item, "1" if keep else "", *belongs]
        return bool(await self._functions.call(Call("amp_grading_put_v1", keys, arguments)))

    async def prove(self, tenant: Tenant, kind: str, item: str) -> None:
        """As `Store.prove`, of a document that stands as it was asked to."""
        await self._store.prove(shelf_item(tenant, kind, item))

    async def drop(self, tenant: Tenant, kind: str, item: str, lists: Sequence[str]) -> bool:
        """Forgets a document; False when there was none.

        Raises:
            StoreUnavailable: nobody knows; it may be sent again.
        """
        keys = [shelf_item(tenant, kind, item), *(shelf_index(tenant, name) for name in lists)]
        return bool(await self._functions.call(Call("amp_grading_drop_v1", keys, [item])))

    async def listed(
        self, tenant: Tenant, name: str, *, low_us: int, high_us: int, newest_first: bool, count: int
    ) -> list[tuple[int, str]]:
        """The first `count` of a list that were made in this time, with both ends, in one order.

        Raises:
            StoreUnavailable: there is no answer.
        """
        verb, *ends = (
            ("ZREVRANGEBYSCORE", high_us, low_us) if newest_first else ("ZRANGEBYSCORE", low_us, high_us)
        )
        flat = await self._store.ask(verb, shelf_index(tenant, name), *ends, "WITHSCORES", "LIMIT", 0, count)
        found = [(int(float(at)), each.decode()) for each, at in zip(flat[::2], flat[1::2], strict=True)]
        return sorted(found, reverse=newest_first)

    async def count(self, tenant: Tenant, name: str) -> int:
        """How many belong to a list.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return int(await self._store.ask("ZCARD", shelf_index(tenant, name)))
