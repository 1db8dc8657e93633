"""The ledger: whether its chains' ends lie outside the store, when it was verified, what is not folded."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime

from amp.ledger import rollup_store
from amp.ledger.chain import Head
from amp.ledger.head_files import FOLDER, evidence
from amp.ledger.heads import Evidence, key_of
from amp.ledger.rollup_store import RollupStore
from amp.ledger.standing import Verifications
from amp.ledger.store import LedgerStore
from amp.ledger.verified import VerifiedReply
from amp.settings import Settings
from amp.store.connection import Store
from amp.store.finding import Finding, ago, fail, ok, size, unknown, warn
from amp.store.functions import Functions
from amp.tenancy import Tenant

BEHIND_WARN = 10_000
VERIFIED_WARN_S = 30 * 86_400
READ_BYTES_MAX = 256 << 20
"""Of files of heads: more is for `amp ledger verify`."""
WRITTEN_WITHIN_S = 2.5
"""Heads are written each second."""

Chains = Mapping[Tenant, Sequence[Head]]


async def findings(
    settings: Settings,
    store: Store,
    tenants: Sequence[Tenant],
    *,
    now_ms: int,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[Finding]:
    """Every check of all tenants' ledgers.

    Raises:
        StoreUnavailable: there is no answer.
    """
    functions = Functions(store, [rollup_store.LIBRARY])
    facts, sums = LedgerStore(store, functions), RollupStore(store, functions)
    chains = {each: await facts.heads(each) for each in tenants}
    entries = {each: sum(head.length for head in heads) for each, heads in chains.items()}
    if not any(entries.values()):
        return [ok("ledger", "no entries yet")]
    verified = {each: await Verifications(store).newest(each) for each in tenants}
    folded = {each: await sums.folded(each) for each in tenants}
    return [
        ok("ledger", f"{sum(entries.values()):,} entries of {len(tenants)} tenants' data"),
        await _heads(settings, chains, now_ms, pause),
        _verified(entries, verified, now_ms),
        _sums(entries, folded),
    ]


async def _heads(
    settings: Settings, chains: Chains, now_ms: int, pause: Callable[[float], Awaitable[None]]
) -> Finding:
    """What was written before we looked is on file soon after, if somebody writes at all."""
    folder = settings.data / FOLDER
    files = list(folder.glob("heads-*.log"))
    if not files:
        where = (
            "the workers may run on other machines" if settings.redis else "a cut end of a chain is not found"
        )
        return warn("chain heads", f"none in {folder}; {where}", "amp ledger verify where the workers run.")
    if settings.secret is None:
        return unknown("chain heads", "they hold only under the secret, which is gone")
    count_bytes = sum(each.stat().st_size for each in files)
    if count_bytes > READ_BYTES_MAX:
        return unknown("chain heads", f"{size(count_bytes)} of files; amp ledger verify reads them all")
    key = key_of(settings.secret.encode())
    found = await asyncio.to_thread(evidence, folder, key)
    uncovered = _uncovered(chains, found)
    if uncovered:
        await pause(WRITTEN_WITHIN_S)
        found = await asyncio.to_thread(evidence, folder, key)
        uncovered = _uncovered(chains, found)
    return _head_files(found, uncovered, chains, now_ms)


def _head_files(found: Evidence, uncovered: int, chains: Chains, now_ms: int) -> Finding:
    if found.unheld:
        file, line = found.unheld[0]
        return fail(
            "chain heads", f"{file}, line {line} was altered, or is of another secret", "amp ledger verify"
        )
    newest_ms = max(found.newest_ms.values(), default=0)
    all_of = sum(head.length > 0 for heads in chains.values() for head in heads)
    when = ago((now_ms - newest_ms) / 1000)
    told = f"{all_of - uncovered} of {all_of} ends are on file, the last written {when}"
    if uncovered:
        fix = "Start amp serve where the others were written, or see in its log why it cannot write there."
        return warn("chain heads", told, fix)
    return ok("chain heads", told)


def _uncovered(chains: Chains, found: Evidence) -> int:
    """Chains that go on after the last head that is on file."""
    count = 0
    for owner, heads in chains.items():
        for bucket, head in enumerate(heads):
            on_file = found.of(owner.tag, bucket)
            count += head.length > (on_file[-1].head.length if on_file else 0)
    return count


def _verified(
    entries: Mapping[Tenant, int], verified: Mapping[Tenant, VerifiedReply | None], now_ms: int
) -> Finding:
    broken = [each for each, walk in verified.items() if walk and not walk.whole]
    if broken:
        found = f"the last walk found {_all(broken)} not to be what was written"
        return fail("verified", found, "amp ledger verify names it; keep the folder, compare with a backup.")
    never = [each for each, walk in verified.items() if walk is None and entries[each]]
    if never:
        return warn("verified", f"nobody ever walked the chains of {_all(never)}", "amp ledger verify")
    oldest_s = max(
        now_ms / 1000 - datetime.fromisoformat(walk.at).timestamp() for walk in verified.values() if walk
    )
    since = sum(max(0, entries[each] - walk.entries) for each, walk in verified.items() if walk)
    told = f"whole {ago(oldest_s)}, {since:,} entries since"
    return warn("verified", told, "amp ledger verify") if oldest_s > VERIFIED_WARN_S else ok("verified", told)


def _sums(entries: Mapping[Tenant, int], folded: Mapping[Tenant, int]) -> Finding:
    behind = sum(max(0, entries[each] - folded[each]) for each in entries)
    if behind > BEHIND_WARN:
        fix = "amp serve folds them beside its workers; if it runs, see its log."
        return warn("sums of reports", f"{behind:,} entries are not folded yet", fix)
    return ok("sums of reports", f"{behind:,} entries are not folded yet" if behind else "hold every entry")


def _all(tenants: Iterable[Tenant]) -> str:
    tags = [each.tag for each in tenants]
    return ", ".join(tags[:3]) + (f" and {len(tags) - 3} more" if len(tags) > 3 else "")
