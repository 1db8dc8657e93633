"""The learner and who works for it: workers, background fit, bridge; age of priors, what the log keeps."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from amp.bridge import store as bridge_store
from amp.bridge.store import BridgeStore
from amp.doctor.logs import Log, log_of
from amp.learning import fit_store
from amp.learning.admin_wire import FitReply
from amp.learning.fit_store import FitStore
from amp.learning.refit import AT_LEAST_EVERY_S, FIRST_AT
from amp.settings import Settings
from amp.store.connection import Store
from amp.store.finding import Finding, ago, fail, ok, unknown, warn
from amp.store.functions import Functions
from amp.store.keys import PRIOR_VERSIONS, REFIT_LEASE
from amp.tenancy import Tenant

STALE_S = 2 * AT_LEAST_EVERY_S
"""A prior is fitted each hour in which something was reported, or sooner."""
LOOKED_WITHIN_S = 30
"""A bridge says each 5 s that it has looked."""
WAITED_WARN_S = 60
RETENTION_SLACK_MS = 2 * 86_400_000
"""The log is cut each hour, in whole blocks."""


async def findings(
    settings: Settings, store: Store, tenants: Sequence[Tenant], *, now_ms: int
) -> list[Finding]:
    """Every check; `now_ms` by the store's clock.

    Raises:
        StoreUnavailable: there is no answer.
    """
    functions = Functions(store, [fit_store.LIBRARY, bridge_store.LIBRARY])
    fits = FitStore(store, functions, retention_ms=settings.log_retention_ms)
    workers, lease_ms = await fits.workers(), int(await store.ask("PTTL", REFIT_LEASE))
    logs = {each: await log_of(store, each) for each in tenants}
    last = {each: next(iter(await fits.records(each)), None) for each in tenants}
    return [
        _workers(workers),
        _leader(len(workers), lease_ms),
        _priors(logs, last, len(workers), now_ms),
        await _held(store, workers),
        await _bridge(BridgeStore(store, functions), tenants, len(workers), now_ms),
        _retention(settings, logs, now_ms),
    ]


def _workers(workers: Sequence[Mapping[str, int]]) -> Finding:
    if not workers:
        return warn("workers", "none has been heard of for 5 s", "amp serve")
    return ok("workers", f"{len(workers)} at work on this store")


def _leader(workers: int, lease_ms: int) -> Finding:
    if lease_ms > 0:
        return ok("background fit", f"somebody leads, for {lease_ms / 1000:.0f} s more unless renewed")
    if workers:
        fix = "amp serve starts it beside the workers; if it stays away for a minute, see its log."
        return warn("background fit", "nobody leads: no prior is fitted", fix)
    return unknown("background fit", "no service runs")


def _priors(
    logs: Mapping[Tenant, Log], last: Mapping[Tenant, FitReply | None], workers: int, now_ms: int
) -> Finding:
    learning = {each: log for each, log in logs.items() if log.ever >= FIRST_AT}
    if not learning:
        return ok("prior", f"the shipped one stands until a tenant has {FIRST_AT} outcomes")
    behind = {each: _behind_s(log, last[each]) for each, log in learning.items()}
    late = [each for each, behind_s in behind.items() if behind_s > STALE_S]
    if late and workers:
        named = ", ".join(each.tag for each in late[:3])
        found = f"outcomes of more than {STALE_S / 3600:.0f} h are in no prior of {named}"
        fix = f"amp refit --tenant {late[0].name} --env {late[0].env}, and see the service's log."
        return warn("prior", found, fix)
    if late:
        return unknown("prior", "outcomes came since the last fit, and no service runs that would fit them")
    oldest_s = min((_at_s(fit) for each in learning if (fit := last[each])), default=None)
    when = (
        "the first fit is due"
        if oldest_s is None
        else f"the oldest was fitted {ago(now_ms / 1000 - oldest_s)}"
    )
    return ok("prior", f"{when}; none is more than {STALE_S / 3600:.0f} h behind its outcomes")


def _at_s(fit: FitReply) -> float:
    return datetime.fromisoformat(fit.at).timestamp()


def _behind_s(log: Log, fit: FitReply | None) -> float:
    """By how much the newest outcome is newer than the last fit; or the oldest, where there was none."""
    if log.newest_ms is None or log.oldest_ms is None:
        return 0.0
    if fit is None:
        return (log.newest_ms - log.oldest_ms) / 1000
    return log.newest_ms / 1000 - _at_s(fit)


async def _held(store: Store, workers: Sequence[Mapping[str, int]]) -> Finding:
    """Workers look for priors each second."""
    told: Sequence[bytes] = await store.ask("HGETALL", PRIOR_VERSIONS)
    stand = {tag.decode(): int(version) for tag, version in zip(told[::2], told[1::2], strict=True)}
    if not workers:
        return unknown("workers' priors", "no service runs")
    behind = sum(any(each.get(tag, 0) < version for tag, version in stand.items()) for each in workers)
    if behind:
        fix = "Run it again in some seconds; a worker that stays behind cannot read the prior: see its log."
        return warn("workers' priors", f"{behind} of {len(workers)} decide with an older one", fix)
    return ok("workers' priors", f"every worker decides with those that stand ({len(stand)})")


async def _bridge(bridge: BridgeStore, tenants: Sequence[Tenant], workers: int, now_ms: int) -> Finding:
    looked_ms = (await bridge.totals()).get("looked_ms")
    waiting = [await bridge.waiting(each) for each in tenants]
    items = sum(each.items for each in waiting)
    oldest_ms = min((each.oldest_ms for each in waiting if each.oldest_ms is not None), default=None)
    waited_s = 0.0 if oldest_ms is None else (now_ms - oldest_ms) / 1000
    found = f"{items:,} outcomes and grades wait" + (f", the oldest for {waited_s:.0f} s" if items else "")
    if not workers:
        return unknown("bridge", f"no service runs that would carry; {found}")
    fix = "amp serve carries them beside the workers: see its log, and amp bridge status."
    if looked_ms is None:
        return warn("bridge", f"it has not begun yet; {found}", fix)
    if now_ms - looked_ms > LOOKED_WITHIN_S * 1000:
        return fail("bridge", f"last at work {ago((now_ms - looked_ms) / 1000)}; {found}", fix)
    return warn("bridge", found, fix) if waited_s > WAITED_WARN_S else ok("bridge", found)


def _retention(settings: Settings, logs: Mapping[Tenant, Log], now_ms: int) -> Finding:
    kept_ms, days = settings.log_retention_ms, settings.log_retention_ms / 86_400_000
    if kept_ms < settings.outcome_window_ms:
        fix = "Set AMP_LOG_RETENTION to AMP_OUTCOME_WINDOW or longer."
        return warn("log retention", f"{days:g} days, shorter than an outcome may take", fix)
    oldest_ms = min((log.oldest_ms for log in logs.values() if log.oldest_ms is not None), default=None)
    if oldest_ms is None:
        return ok("log retention", f"{days:g} days; nothing is in the log")
    found = f"{days:g} days; the oldest event came {ago((now_ms - oldest_ms) / 1000)}"
    if now_ms - oldest_ms > kept_ms + RETENTION_SLACK_MS:
        return warn("log retention", found, "The background fit cuts it each hour: see the service's log.")
    return ok("log retention", found)
