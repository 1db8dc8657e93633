"""What an operator's machines ask: alive, ready, metrics. No key needed."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from amp.http.draining import DRAINING
from amp.observe import exposition
from amp.store.connection import Store
from amp.store.readiness import Check, check

More = Callable[[], Awaitable[bytes]]
"""Metrics of processes beside the workers, as Prometheus text."""


def handlers(store: Store, more: More) -> list[HTTPRouteHandler]:
    @get("/livez", summary="The process answers")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @get("/readyz", summary="The store answers and is safe to write to")
    async def readyz() -> Response[dict[str, Any]]:
        DRAINING.asked_s = time.monotonic()
        if DRAINING.red:
            return Response({"status": "draining", "checks": []}, status_code=503)
        checks = await check(store)
        ready = all(each.ok for each in checks)
        body = {"status": "ready" if ready else "not ready", "checks": [_told(each) for each in checks]}
        return Response(body, status_code=200 if ready else 503)

    @get("/metrics", media_type="text/plain; version=0.0.4", summary="Prometheus metrics")
    async def metrics() -> bytes:
        return exposition() + await more()

    return [livez, readyz, metrics]


def _told(one: Check) -> dict[str, Any]:
    told: dict[str, Any] = {"name": one.name, "ok": one.ok, "found": one.found}
    return told if one.ok else told | {"fix": one.fix}
