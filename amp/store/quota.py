"""Decisions that a tenant may ask in a month: one counter, exact over all workers."""

import asyncio
from importlib.resources import files
from typing import NamedTuple

from amp.clock import iso
from amp.errors import QuotaExceeded, StoreUnavailable
from amp.observe import QUOTA_REFUSALS
from amp.store.functions import Call, Functions
from amp.store.keys import quota_months
from amp.tenancy import Tenant

LIBRARY = files("amp.store").joinpath("quota.lua").read_text(encoding="utf-8")
COUNT_WITHIN_S = 0.095
"""For a decision and its count together; then it is given uncounted: it has an answer without the store."""


class Month(NamedTuple):
    """How a tenant's month stands."""

    used: int
    quota: int
    name: str
    """`2026-11`, in UTC."""
    ends_s: int
    """Seconds since 1970."""

    @property
    def left(self) -> int:
        return max(0, self.quota - self.used)


class Quota:
    """Counts and refuses; 0 a month is no quota, counts nothing and costs nothing."""

    def __init__(self, functions: Functions, monthly: int) -> None:
        self.on = monthly > 0
        self.monthly = monthly
        self._functions = functions

    @staticmethod
    def until_s() -> float:
        """How long, by the loop's time, whoever begins to decide now may take to count it."""
        return asyncio.get_running_loop().time() + COUNT_WITHIN_S

    async def take(self, tenant: Tenant, until_s: float) -> Month | None:
        """Counts one decision; None when nobody can count it now, and it is to be given all the same.

        Raises:
            QuotaExceeded: the month's decisions are used up; it is not counted.
        """
        call = Call("amp_quota_take_v1", [quota_months(tenant)], [1, self.monthly])
        try:
            async with asyncio.timeout_at(until_s):
                taken, used, name, ends_s, left_s = await self._functions.call(call)
        except (StoreUnavailable, TimeoutError):
            return None
        month = Month(used, self.monthly, name.decode(), ends_s)
        if not taken:
            QUOTA_REFUSALS.inc()
            raise _refusal(tenant, month, left_s)
        return month

    async def months(self, tenant: Tenant) -> tuple[Month, dict[str, int]]:
        """How the month stands, and what was used of earlier ones.

        Raises:
            StoreUnavailable: there is no answer.
        """
        name, ends_s, flat = await self._functions.call(Call("amp_quota_show_v1", [quota_months(tenant)], []))
        used = {month.decode(): int(count) for month, count in zip(flat[::2], flat[1::2], strict=True)}
        now = Month(used.pop(name.decode(), 0), self.monthly, name.decode(), ends_s)
        return now, dict(sorted(used.items(), reverse=True))


def _refusal(tenant: Tenant, month: Month, left_s: int) -> QuotaExceeded:
    resets_at = iso(month.ends_s * 1000)
    return QuotaExceeded(
        f"The quota of {month.quota:,} decisions in {month.name} (UTC) for the {tenant.env} data of "
        f"{tenant.name} is used up; the next month begins at {resets_at}. Outcomes are taken as ever.",
        details={
            "quota": "decisions",
            "limit": month.quota,
            "used": month.used,
            "period": month.name,
            "resetsAt": resets_at,
            "retryAfter": left_s,
        },
        retry_after_s=left_s,
    )
