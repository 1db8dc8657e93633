"""What has changed since a page was drawn, told to every page that is open.

However many pages are open, a worker asks the store for a tenant's versions at most once a second, and no
more than `FEW` pages a second hear of it: what they then ask for is work that contexts wait for.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

import msgspec

from amp.errors import AmpError, StoreUnavailable
from amp.http.sse import PING, frame
from amp.tenancy import Tenant

EVERY_S = 1.0
FEW = 4
"""Open pages that hear every second; more take turns, but each at least every `SELDOM_S`."""
SELDOM_S = 15.0
PING_S = 15.0
TENANTS_MAX = 256

OVER = b"event: over\ndata: {}\n\n"
"""The session has ended: the page is to ask again, and will be led to sign in."""

Watch = Callable[[Tenant], Awaitable[str]]
"""The version of one topic of a tenant's data: cheap to ask, and another one whenever the data is."""

_pause = asyncio.sleep


class _Seen:
    def __init__(self) -> None:
        self.at_s = -EVERY_S
        self.versions: dict[str, str] = {}
        self.lock = asyncio.Lock()


class Pulse:
    """The versions of all topics, by tenant."""

    def __init__(
        self, watches: Mapping[str, Watch], *, elapsed_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._watches = watches
        self._elapsed_s = elapsed_s
        self._seen: OrderedDict[Tenant, _Seen] = OrderedDict()
        self._open = 0

    async def now(self, tenant: Tenant) -> dict[str, str]:
        """The versions by topic, at most `EVERY_S` old; the last known ones while the store is down."""
        seen = self._seen.setdefault(tenant, _Seen())
        self._seen.move_to_end(tenant)
        if len(self._seen) > TENANTS_MAX:
            self._seen.popitem(last=False)
        async with seen.lock:
            if self._elapsed_s() - seen.at_s >= EVERY_S:
                seen.at_s = self._elapsed_s()
                for topic, watch in self._watches.items():
                    try:
                        seen.versions[topic] = await watch(tenant)
                    except StoreUnavailable:
                        seen.versions.setdefault(topic, "")
        return dict(seen.versions)

    async def frames(self, tenant: Tenant, still: Callable[[], Awaitable[object]]) -> AsyncGenerator[bytes]:
        """The versions now and whenever they are others, until `still` refuses."""
        self._open += 1
        try:
            async for each in self._frames(tenant, still):
                yield each
        finally:
            self._open -= 1

    async def _frames(self, tenant: Tenant, still: Callable[[], Awaitable[object]]) -> AsyncGenerator[bytes]:
        told: dict[str, str] | None = None
        number, pinged_s = 0, self._elapsed_s()
        while True:
            try:
                await still()
            except AmpError:
                yield OVER
                return
            versions = await self.now(tenant)
            if versions != told:
                number, told = number + 1, versions
                yield frame(number, msgspec.json.encode(versions))
            elif self._elapsed_s() - pinged_s >= PING_S:
                pinged_s = self._elapsed_s()
                yield PING
            await _pause(min(SELDOM_S, EVERY_S * max(1.0, self._open / FEW)))
