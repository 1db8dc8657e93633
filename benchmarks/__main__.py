"""`python -m benchmarks`: measures, prints, and keeps the figures of a full run in results.json."""

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

# one BLAS thread, as in the workers; numpy reads it once, when it is loaded
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import msgspec
import typer
from rich.console import Console

from benchmarks import (
    client,
    decision,
    grading,
    latency,
    machine,
    memory,
    metering,
    refit,
    report,
    spool,
    streams,
    throughput,
)
from benchmarks.report import Section

RESULTS = Path(__file__).with_name("results.json")
WIDTH = 110
"""Of tables that go to a file."""


class Name(StrEnum):
    """The benchmarks, in the order in which they run."""

    THROUGHPUT = "throughput"
    METERING = "metering"
    LATENCY = "latency"
    DECISION = "decision"
    CLIENT = "client"
    SPOOL = "spool"
    MEMORY = "memory"
    REFIT = "refit"
    GRADING = "grading"
    STREAMS = "streams"


_RUNS: dict[Name, Callable[..., Section]] = {
    Name.THROUGHPUT: throughput.run,
    Name.METERING: metering.run,
    Name.LATENCY: latency.run,
    Name.DECISION: decision.run,
    Name.CLIENT: client.run,
    Name.SPOOL: spool.run,
    Name.MEMORY: memory.run,
    Name.REFIT: refit.run,
    Name.GRADING: grading.run,
    Name.STREAMS: streams.run,
}


def main(
    *,
    quick: Annotated[bool, typer.Option(help="A short run: noisy, and results.json is left alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON on stdout.")] = False,
    only: Annotated[
        list[Name] | None, typer.Option(help="Only this one; results.json is left alone.")
    ] = None,
    keep: Annotated[
        bool, typer.Option(help="Put the figures of --only into results.json, beside those of the last run.")
    ] = False,
) -> None:
    """Measure amp on this machine: about ten minutes on a quiet Linux machine with two cores."""
    console = Console(stderr=as_json)
    if not console.is_terminal:
        console.width = WIDTH
    found: dict[str, dict[str, Any]] = {"machine": dict(machine.describe()), "benchmarks": {}}
    for name in only or Name:
        console.print(f"[dim]{name} ...[/]")
        section = _RUNS[name](quick=quick)
        report.show(console, section)
        found["benchmarks"][name.value] = report.plain(section)
    encoded = msgspec.json.format(msgspec.json.encode(found))
    if as_json:
        sys.stdout.buffer.write(encoded + b"\n")
    if keep and only and not quick:
        before = msgspec.json.decode(RESULTS.read_bytes())
        before["benchmarks"] |= found["benchmarks"]
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(before)) + b"\n")
        console.print(f"Put into {RESULTS}")
    elif not (quick or only):
        RESULTS.write_bytes(encoded + b"\n")
        console.print(f"Written to {RESULTS}")


if __name__ == "__main__":
    typer.run(main)
