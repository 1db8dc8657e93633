"""Counts decisions without a write for each: a worker counts in memory and now and then writes its counts.

A decision leaves nothing in the store, so only its worker can count it; reports are counted at the same
place, so that both lose the same: a killed worker takes at most the last `FLUSH_EVERY_S` with it. A report
whose acknowledgement by the store was lost is not counted when it is sent again.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from amp.errors import StoreUnavailable
from amp.learning.approaches import Approaches
from amp.learning.insight_store import DAY_MS, InsightStore
from amp.learning.policies import Policies
from amp.learning.reporting import Counted, Rate
from amp.learning.rows import Decision
from amp.tenancy import Tenant

FLUSH_EVERY_S = 2.0
_Kind = tuple[bool, int, int]
"""Group (control or not), policy version and combination: a number means what it meant under its version."""


@dataclass(slots=True)
class _Day:
    """What was counted of one tenant's decisions of one UTC day."""

    cells: dict[_Kind, list[int]] = field(default_factory=dict[_Kind, list[int]])
    """Decided and reported."""
    changed: bool = True
    """Since it was last written."""


class Counting:
    """What one worker has counted since it started."""

    def __init__(
        self,
        store: InsightStore,
        policies: Policies,
        *,
        degraded: Callable[[Tenant], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._policies = policies
        self._degraded = degraded
        self._worker = secrets.token_hex(8)
        self._days: dict[tuple[Tenant, int], _Day] = {}

    def decided(self, tenant: Tenant, decision: Decision) -> None:
        """Somebody was given this decision."""
        self._cell(tenant, decision)[0] += 1
        if decision.degraded:
            self._degraded(tenant)

    def reported(self, tenant: Tenant, decision: Decision) -> None:
        """The first report on this decision is stored."""
        self._cell(tenant, decision)[1] += 1

    def _cell(self, tenant: Tenant, decision: Decision) -> list[int]:
        key = tenant, decision.decided_ms // DAY_MS
        day = self._days.get(key)
        if day is None:
            day = self._days[key] = _Day()
        day.changed = True
        kind = decision.control, decision.policy_version, decision.combination
        return day.cells.setdefault(kind, [0, 0])

    async def follow(self) -> None:
        """Writes what has changed every `FLUSH_EVERY_S`, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            with suppress(StoreUnavailable):
                await self.flush()

    async def flush(self) -> None:
        """Writes what has changed.

        Raises:
            StoreUnavailable: it will be written the next time.
        """
        changed = {key: day for key, day in self._days.items() if day.changed}
        if not changed:
            return
        counted = [
            (tenant, number, _folded(day.cells, self._policies.of(tenant).approaches))
            for (tenant, number), day in changed.items()
        ]
        for day in changed.values():
            day.changed = False
        try:
            await self._store.count(self._worker, counted)
        except StoreUnavailable:
            for day in changed.values():
                day.changed = True
            raise
        self._forget()

    def _forget(self) -> None:
        """Days that take no more reports: they are written, and counts would start anew."""
        newest = max(day for _, day in self._days)
        for key in [key for key, day in self._days.items() if not day.changed]:
            if key[1] < newest - self._store.open_ms(key[0]) // DAY_MS - 2:
                del self._days[key]


def _folded(cells: Mapping[_Kind, list[int]], approaches: Approaches) -> Counted:
    """By group, and by option of each dimension."""
    groups = {False: Rate(), True: Rate()}
    options: dict[str, dict[str, Rate]] = {dimension.name: {} for dimension in approaches.dimensions}
    controls: dict[str, dict[str, Rate]] = {}
    for (control, version, combination), (decided, reported) in cells.items():
        rate = Rate(decided, reported)
        groups[control] += rate
        for dimension, option in approaches.told(version, combination).items():
            for counts in (options, controls) if control else (options,):
                shown = counts.setdefault(dimension, {})
                shown[option] = shown.get(option, Rate()) + rate
    return Counted(groups[False], groups[True], options, controls)
