"""How the bridge gets on: for a tenant, and for an operator's machines."""

from amp.bridge.store import BridgeStore
from amp.bridge.wire import StatusReply
from amp.clock import iso
from amp.errors import StoreUnavailable
from amp.tenancy import Tenant

RESULTS = (
    "new",
    "filled",
    "agreed",
    "contradicted",
    "overruled",
    "nothing",
    "replay",
    "unknown",
    "expired",
    "full",
    "skipped",
)


class Progress:
    """Reads what the bridge has counted."""

    def __init__(self, store: BridgeStore) -> None:
        self._store = store

    async def status(self, tenant: Tenant) -> StatusReply:
        """What the tenant has on its way, and what came of the rest.

        Raises:
            StoreUnavailable: there is no answer.
        """
        waiting, counts = await self._store.waiting(tenant), await self._store.counted(tenant)
        totals, now_ms = await self._store.totals(), await self._store.now_ms()
        looked, oldest = totals.get("looked_ms"), waiting.oldest_ms
        carried = any(totals.get(name) for name in RESULTS)
        return StatusReply(
            waiting.items,
            None if oldest is None else max(0, now_ms - oldest) / 1000,
            None if looked is None else iso(looked),
            totals.get("lag_ms", 0) / 1000 if carried else None,
            taught=counts.get("new", 0),
            filled=counts.get("filled", 0) + counts.get("overruled", 0),
            agreed=counts.get("agreed", 0),
            contradictions=sum(counts.get(name, 0) for name in ("contradicted", "overruled", "later")),
            nothing=counts.get("nothing", 0),
            replays=counts.get("replay", 0),
            unknown=counts.get("unknown", 0),
            expired=counts.get("expired", 0),
            full=counts.get("full", 0),
            skipped=counts.get("skipped", 0),
        )

    async def exposition(self) -> bytes:
        """Prometheus text, over all tenants; nothing while the store does not answer."""
        try:
            totals = await self._store.totals()
        except StoreUnavailable:
            return b""
        lines = [
            "# HELP amp_bridge_items_total Outcomes and grades that were carried, by what came of each.",
            "# TYPE amp_bridge_items_total counter",
            *(f'amp_bridge_items_total{{result="{name}"}} {totals.get(name, 0)}' for name in RESULTS),
            "# HELP amp_bridge_lag_seconds From an outcome's answer to its effect, of the last one carried.",
            "# TYPE amp_bridge_lag_seconds gauge",
            f"amp_bridge_lag_seconds {totals.get('lag_ms', 0) / 1000}",
            "# HELP amp_bridge_waiting_items Outcomes and grades that are known and not carried yet.",
            "# TYPE amp_bridge_waiting_items gauge",
            f"amp_bridge_waiting_items {totals.get('waiting', 0)}",
            "# HELP amp_bridge_looked_timestamp_seconds When a bridge last looked for something to carry.",
            "# TYPE amp_bridge_looked_timestamp_seconds gauge",
            f"amp_bridge_looked_timestamp_seconds {totals.get('looked_ms', 0) / 1000}",
        ]
        return "".join(f"{line}\n" for line in lines).encode()
