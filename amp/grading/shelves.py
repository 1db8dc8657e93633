"""The verbs of agents and environments."""

from collections.abc import Callable, Sequence

from amp.errors import Conflict, InvalidParameter, NotFound, StoreUnavailable
from amp.grading import resources, surroundings
from amp.grading.ids import ClockUs, new_id, now_us
from amp.grading.pages import Cursor, Key, Order, Page, Window, paged, read
from amp.grading.shelf_store import Document, Item, ShelfStore
from amp.grading.times import microseconds, rfc3339
from amp.grading.wire import AgentRequest, AgentUpdate, EnvironmentRequest, EnvironmentUpdate
from amp.tenancy import Tenant

ATTEMPTS = 5
"""Of a change that others overtake."""


class Shelf:
    """Documents of one kind."""

    def __init__(self, store: ShelfStore, kind: str, *, clock: ClockUs = now_us) -> None:
        self._store = store
        self._kind = kind
        self._clock = clock

    async def find(self, tenant: Tenant, name: str) -> Item:
        """One document.

        Raises:
            NotFound: there is none.
            StoreUnavailable: there is no answer.
        """
        found = await self._store.get(tenant, self._kind, name)
        if found is None:
            raise self.unknown(name)
        return found

    async def listing(
        self,
        tenant: Tenant,
        *,
        limit: int,
        page: str | None,
        low_us: int,
        high_us: int,
        archived: bool,
    ) -> Page[Document]:
        """A page of them, newest first.

        Raises:
            InvalidParameter: the cursor is none of ours.
            StoreUnavailable: there is no answer.
        """
        order: Order = "desc"

        async def fetch(low_us: int, high_us: int, newest_first: bool, count: int) -> list[Key]:
            return await self._store.listed(
                tenant, self._kind, low_us=low_us, high_us=high_us, newest_first=newest_first, count=count
            )

        async def load(keys: Sequence[Key]) -> list[Document | None]:
            items = await self._store.get_all(tenant, self._kind, [name for _, name in keys])
            return [
                item.document if item and (archived or item.document["archived_at"] is None) else None
                for item in items
            ]

        return await paged(Window(order, limit, read(page, Cursor, order), low_us, high_us), fetch, load)

    async def change(
        self, tenant: Tenant, name: str, think: Callable[[Document], Document], *, keep: bool = False
    ) -> Document:
        """Makes of a document what `think` says, on whatever stands.

        Raises:
            NotFound: there is none.
            StoreUnavailable: nobody knows; it may be sent again.
        """
        for _ in range(ATTEMPTS):
            version, before = await self.find(tenant, name)
            after = think(before)
            if after is before:
                await self._store.prove(tenant, self._kind, name)
                return before
            made_us = microseconds(before["created_at"])
            lists = {self._kind: True}
            if await self._store.put(
                tenant, self._kind, name, after, made_us=made_us, version=version, lists=lists, keep=keep
            ):
                return after
        raise StoreUnavailable

    async def make(self, tenant: Tenant, name: str, document: Document) -> Document:
        """Puts a new document."""
        made_us = microseconds(document["created_at"])
        await self._store.put(tenant, self._kind, name, document, made_us=made_us, lists={self._kind: True})
        return document

    def unknown(self, name: str) -> NotFound:
        code = f"{self._kind}_not_found"
        return NotFound(f"There is no {self._kind} {name!r}.", details={"error_code": code})


class Agents(Shelf):
    """Agents, every version of them."""

    def __init__(self, store: ShelfStore, *, clock: ClockUs = now_us) -> None:
        super().__init__(store, "agent", clock=clock)

    async def create(self, tenant: Tenant, request: AgentRequest) -> Document:
        """A new agent.

        Raises:
            InvalidParameter: the field is named.
            StoreUnavailable: nobody knows.
        """
        name = new_id("agent")
        return await self.make(tenant, name, resources.agent(name, request, self._clock()))

    async def show(self, tenant: Tenant, name: str, version: int | None) -> Document:
        """An agent, or one of its versions.

        Raises:
            NotFound: there is none.
            StoreUnavailable: there is no answer.
        """
        if version is None:
            return (await self.find(tenant, name)).document
        for document in await self._store.versions(tenant, "agent", name):
            if document["version"] == version:
                return document
        raise self.unknown(name)

    async def update(self, tenant: Tenant, name: str, update: AgentUpdate) -> Document:
        """The agent's next version.

        Raises:
            InvalidParameter: the field is named, or the agent is archived.
            NotFound: there is none.
            Conflict: another version stands than the one that was expected.
            StoreUnavailable: nobody knows; look what stands before sending it again.
        """

        def think(before: Document) -> Document:
            if update.version not in {None, before["version"]}:
                raise Conflict(
                    f"version: {before['version']} stands, not {update.version}; read the agent again.",
                    details={"current_version": before["version"]},
                )
            if before["archived_at"]:
                raise InvalidParameter("agent_id", "this agent is archived")
            return resources.agent_after(before, update, self._clock())

        return await self.change(tenant, name, think, keep=True)

    async def versions(self, tenant: Tenant, name: str) -> list[Document]:
        """Every version, newest first.

        Raises:
            NotFound: there is none.
            StoreUnavailable: there is no answer.
        """
        found = await self._store.versions(tenant, "agent", name)
        if not found:
            raise self.unknown(name)
        return found

    async def version_page(
        self, tenant: Tenant, name: str, *, limit: int, page: str | None
    ) -> Page[Document]:
        """A page of versions, newest first.

        Raises:
            InvalidParameter: the cursor is none of ours.
            NotFound: there is none.
            StoreUnavailable: there is no answer.
        """
        known = {document["version"]: document for document in await self.versions(tenant, name)}

        async def fetch(low: int, high: int, newest_first: bool, count: int) -> list[Key]:
            numbers = sorted((number for number in known if low <= number <= high), reverse=newest_first)
            return [(number, "") for number in numbers[:count]]

        async def load(keys: Sequence[Key]) -> list[Document | None]:
            return [known[number] for number, _ in keys]

        order: Order = "desc"
        return await paged(Window(order, limit, read(page, Cursor, order)), fetch, load)

    async def archive(self, tenant: Tenant, name: str) -> Document:
        """No session can be made with it any more.

        Raises:
            NotFound: there is none.
            StoreUnavailable: nobody knows; it may be sent again.
        """
        return await self.change(tenant, name, lambda before: _archived(before, self._clock()))


class Environments(Shelf):
    """Environments."""

    def __init__(self, store: ShelfStore, *, clock: ClockUs = now_us) -> None:
        super().__init__(store, "environment", clock=clock)

    async def create(self, tenant: Tenant, request: EnvironmentRequest) -> Document:
        """A new environment.

        Raises:
            StoreUnavailable: nobody knows.
        """
        name = new_id("env")
        return await self.make(tenant, name, surroundings.environment(name, request, self._clock()))

    async def update(self, tenant: Tenant, name: str, update: EnvironmentUpdate) -> Document:
        """The environment as the update makes it.

        Raises:
            InvalidParameter: the field is named, or the environment is archived.
            NotFound: there is none.
            StoreUnavailable: nobody knows; it may be sent again.
        """

        def think(before: Document) -> Document:
            if before["archived_at"]:
                raise InvalidParameter("environment_id", "this environment is archived")
            return surroundings.environment_after(before, update, self._clock())

        return await self.change(tenant, name, think)

    async def archive(self, tenant: Tenant, name: str) -> Document:
        """No session can be made in it any more.

        Raises:
            NotFound: there is none.
            StoreUnavailable: nobody knows; it may be sent again.
        """
        return await self.change(tenant, name, lambda before: _archived(before, self._clock()))

    async def delete(self, tenant: Tenant, name: str) -> None:
        """Forgets it; sessions that were made in it stay.

        Raises:
            NotFound: there is none.
            StoreUnavailable: nobody knows; it may be sent again.
        """
        if not await self._store.drop(tenant, "environment", name, ["environment"]):
            raise self.unknown(name)


def _archived(before: Document, at_us: int) -> Document:
    return before if before["archived_at"] else {**before, "archived_at": rfc3339(at_us)}
