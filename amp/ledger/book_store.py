"""Tenants' price lists in Redis or Valkey: one document a version, and which of them stands."""

from importlib.resources import files

from amp.ledger.catalogue import Kind
from amp.store.announcing import announce
from amp.store.connection import Store, clock_ms
from amp.store.functions import Call, Functions
from amp.store.ledger_keys import BOOK_VERSIONS, book_document, book_version
from amp.tenancy import Tenant

LIBRARY = files("amp.ledger").joinpath("books.lua").read_text()


class BookStore:
    """Every version of every document; a tenant without one has none here."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions

    async def versions(self) -> dict[tuple[str, str], int]:
        """The documents that were last announced, as their versions by tenant tag and kind.

        Raises:
            StoreUnavailable: there is no answer.
        """
        flat: list[bytes] = await self._store.ask("HGETALL", BOOK_VERSIONS)
        told = zip(flat[::2], flat[1::2], strict=True)
        names = ((name.decode().rpartition(":"), int(version)) for name, version in told)
        return {(tag, kind): version for (tag, _, kind), version in names}

    async def standing(self, tag: str, kind: Kind) -> tuple[int, int]:
        """The store's clock in milliseconds, and the version that stands; 0 where there is none.

        Raises:
            StoreUnavailable: there is no answer.
        """
        now, version = await self._store.ask_all([("TIME",), ("GET", book_version(tag, kind))])
        return clock_ms(now), int(version or 0)

    async def document(self, tag: str, kind: Kind, version: int) -> bytes | None:
        """One version.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._store.ask("GET", book_document(tag, kind, version))

    async def publish(self, tenant: Tenant, kind: Kind, version: int, document: bytes) -> bool:
        """Makes this the document if the version before stands, and announces what stands then.

        Raises:
            StoreUnavailable: nobody knows whether it is published and announced; it may be sent again.
        """
        tag = tenant.tag
        ours, standing = await self._functions.call(
            Call(
                "amp_ledger_publish_v2",
                (book_version(tag, kind), book_document(tag, kind, version)),
                (version, document),
            )
        )
        await announce(self._store, BOOK_VERSIONS, f"{tag}:{kind}", standing)
        return bool(ours)
