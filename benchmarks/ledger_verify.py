"""How long `amp ledger verify` takes: every chain walked, every job rebuilt, every head on file compared.

Entries are written through the store's real functions, and after each second's worth of them the heads of all
chains go to a file, as a worker writes them. What is measured is the command's own work, in one process.

    python -m benchmarks.ledger_verify --entries 1000000
"""

import asyncio
import os
import time
from collections.abc import Sequence
from itertools import islice
from typing import Annotated

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import typer
from rich.console import Console

from amp.errors import StoreUnavailable
from amp.ledger import store as ledger_store
from amp.ledger.chain import Head
from amp.ledger.head_files import FOLDER, HeadFile
from amp.ledger.heads import Place, key_of
from amp.ledger.store import LedgerStore, Write
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.functions import Functions
from amp.terminal import ledger_verify
from benchmarks import report, world
from benchmarks.ledger_report import OWNER, writes
from benchmarks.report import Section, Target

AIM_S = 60.0
_PIPELINE = 500
_ATTEMPTS = 20
_EVERY = 1000
"""Entries between two lines of heads: a second of a service that is well used."""


def run(*, entries: int) -> Section:
    """Seeds and walks."""
    with world.durable_store() as settings:
        seeded_s = asyncio.run(_seed(settings, entries))
        size_mb = sum(each.stat().st_size for each in (settings.data / FOLDER).iterdir()) / 1e6
        load, began_cpu = os.getloadavg()[0], time.process_time()
        seen = ledger_verify.read(settings, OWNER.name, OWNER.env)
        cpu_s = time.process_time() - began_cpu
    (walked,) = seen.walked.values()
    if seen.findings or walked.entries != entries:
        raise AssertionError(f"{walked.entries} of {entries} entries, {seen.findings[:3]}")
    note = (
        f"Written in {seeded_s:,.0f} s. {walked.heads:,} heads in {seen.evidence.lines:,} lines, "
        f"{size_mb:.1f} MB. Load before: {load:.1f} on {os.cpu_count()} cores."
    )
    rows: list[list[str | float]] = [
        ["whole walk, s", seen.took_s],
        ["CPU of the command, s", cpu_s],
        ["entries a second", walked.entries / seen.took_s],
        ["jobs rebuilt", walked.jobs],
    ]
    aim = Target(f"{entries:,} entries", seen.took_s, AIM_S * entries / 1e6, "s")
    return Section(f"amp ledger verify over {entries:,} entries", ["", ""], rows, [aim], note)


async def _seed(settings: Settings, entries: int) -> float:
    """Writes the entries and their heads; how long that took."""
    began = time.perf_counter()
    store = connect(settings.redis or "")
    ledger = LedgerStore(store, Functions(store, [ledger_store.LIBRARY]))
    heads = HeadFile(settings.data / FOLDER, key_of((settings.secret or "").encode()))
    try:
        waiting, left, changed = writes(entries), entries, dict[Place, Head]()
        while some := list(islice(waiting, min(_PIPELINE, left))):
            left -= len(some)
            changed |= await _written(ledger, some)
            if left % _EVERY < _PIPELINE:
                heads.append(changed)
                changed.clear()
        if changed:
            heads.append(changed)
    finally:
        heads.close()
        await store.close()
    return time.perf_counter() - began


async def _written(ledger: LedgerStore, some: Sequence[Write]) -> dict[Place, Head]:
    """Where their chains end now; sends again what a busy machine did not answer, which is harmless."""
    found: dict[Place, Head] = {}
    for _ in range(_ATTEMPTS):
        try:
            answers = await ledger.write(some)
        except StoreUnavailable:
            await asyncio.sleep(1)
            continue
        for write, answer in zip(some, answers, strict=True):
            if isinstance(answer, Exception):
                raise answer
            if answer.link:
                found[OWNER.tag, write.bucket] = Head(answer.position, answer.link)
        return found
    raise StoreUnavailable


def main(entries: Annotated[int, typer.Option(help="How many.")] = 1_000_000) -> None:
    """Measure how fast the ledger is verified on this machine."""
    report.show(Console(width=110), run(entries=entries))


if __name__ == "__main__":
    typer.run(main)
