"""Tenants' policies in Redis or Valkey: one document a version, and which of them stands."""

from amp.learning.store import clock_ms
from amp.store.announcing import announce
from amp.store.connection import Store
from amp.store.functions import Call, Functions
from amp.store.keys import POLICY_VERSIONS, SERVED_POLICY, policy_document, policy_version
from amp.tenancy import Tenant


class PolicyStore:
    """Every version of every tenant's policy; a tenant without one has none here."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions

    async def versions(self) -> dict[str, int]:
        """The policy that was last announced, as its version by tenant tag.

        Raises:
            StoreUnavailable: there is no answer.
        """
        flat: list[bytes] = await self._store.ask("HGETALL", POLICY_VERSIONS)
        return {tag.decode(): int(version) for tag, version in zip(flat[::2], flat[1::2], strict=True)}

    async def served(self) -> bytes | None:
        """What a tenant without a policy of its own was last served by; None if nobody ever served here.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._store.ask("GET", SERVED_POLICY)

    async def serve(self, document: bytes) -> None:
        """Says that this is what such tenants are served by; safe to repeat.

        Raises:
            StoreUnavailable: it may not be known.
        """
        if await self.served() != document:
            await self._store.ask("SET", SERVED_POLICY, document)

    async def standing(self, tag: str) -> tuple[int, int]:
        """The store's clock in milliseconds, and the version that stands; 0 where there is none.

        Raises:
            StoreUnavailable: there is no answer.
        """
        now, version = await self._store.ask_all([("TIME",), ("GET", policy_version(tag))])
        return clock_ms(now), int(version or 0)

    async def document(self, tag: str, version: int) -> bytes | None:
        """One version.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return await self._store.ask("GET", policy_document(tag, version))

    async def publish(self, tenant: Tenant, version: int, document: bytes) -> bool:
        """Makes this the tenant's policy if the version before stands, and announces what stands then.

        Raises:
            StoreUnavailable: nobody knows whether it is published and announced.
        """
        tag = tenant.tag
        ours, standing = await self._functions.call(
            Call(
                "amp_learning_rule_v3",
                (policy_version(tag), policy_document(tag, version)),
                (version, document),
            )
        )
        await self.announce(tenant, standing)
        return bool(ours)

    async def announce(self, tenant: Tenant, standing: int) -> None:
        """Tells every worker which version stands; safe to repeat.

        Raises:
            StoreUnavailable: nobody knows whether they hear it.
        """
        await self._store.prove(policy_version(tenant.tag))  # which may only have been read
        await announce(self._store, POLICY_VERSIONS, tenant.tag, standing)
