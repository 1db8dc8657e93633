"""Every version of each tenant's mapping: shown, changed, and held by whoever carries."""

import msgspec

from amp.bridge.mapping import Mapping, MappingChange, amended
from amp.bridge.store import BridgeStore
from amp.errors import NotFound, StoreUnavailable, VersionConflict
from amp.tenancy import Tenant

ATTEMPTS = 5
"""How often a change that names no version is laid over one that came first."""
FIRST = Mapping()

_decode = msgspec.json.Decoder(Mapping).decode


class Maps:
    """The newest version is in force."""

    def __init__(self, store: BridgeStore) -> None:
        self._store = store
        self._held: dict[Tenant, Mapping] = {}

    async def show(self, tenant: Tenant) -> Mapping:
        """What is in force.

        Raises:
            StoreUnavailable: there is no answer, or nobody can read it.
        """
        version = await self._store.map_version(tenant)
        held = self._held.get(tenant, FIRST)
        if held.version != version:
            held = self._held[tenant] = await self.version(tenant, version)
        return held

    async def version(self, tenant: Tenant, number: int) -> Mapping:
        """One version, in force or not.

        Raises:
            NotFound: there is none of this number.
            StoreUnavailable: there is no answer.
        """
        if number == FIRST.version:
            return FIRST
        data = await self._store.map(tenant, number) if number > 1 else None
        if data is None:
            raise NotFound("There is no such version of the mapping.")
        return _decode(data)

    async def history(self, tenant: Tenant, last: int) -> list[Mapping]:
        """The newest versions, newest first.

        Raises:
            StoreUnavailable: there is no answer.
        """
        newest = (await self.show(tenant)).version
        numbers = range(newest, max(0, newest - last), -1)
        return [await self.version(tenant, number) for number in numbers]

    async def change(
        self, tenant: Tenant, change: MappingChange, *, by: str, expected: int | None = None
    ) -> Mapping:
        """The mapping with what was sent, as the next version; in force for all that is heard from now on.

        Raises:
            InvalidParameter: the field is named.
            VersionConflict: another version stands than the expected one.
            StoreUnavailable: nobody knows whether it was done; it may be sent again.
        """
        for _ in range(ATTEMPTS):
            current = await self.show(tenant)
            after = amended(current, change, at_ms=await self._store.now_ms(), by=by)
            if after is current:
                await self._store.prove_map(tenant)
                return current
            if expected not in {None, current.version}:
                raise VersionConflict(
                    f"Version {current.version} of the mapping stands, not {expected}: read it and change "
                    "that.",
                    details={"version": current.version},
                )
            if await self._store.publish_map(tenant, after.version, msgspec.json.encode(after)):
                return after
        raise StoreUnavailable
