"""The page of capacity: what was measured, and what follows from it by arithmetic that is shown."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
_GB = 1e9
_DAY_S = 86_400

_BEFORE = """\
# Capacity

Every figure here was measured on one small machine, or follows from such a figure by the arithmetic beside it. Yours will
differ: `python -m benchmarks` measures it in ten minutes, and this page is built from what that writes.

"""


def page() -> str:
    """Measured figures first, then what they come to."""
    results = _read("results")
    found, machine = results["benchmarks"], results["machine"]
    lines = [_BEFORE, "## Measured", "", _on(machine, machine["store"]), ""]
    lines += [*_measured(found), "", "## What it comes to", "", *_follows(found), "", *_fits(found)]
    lines += _reports(_read("ledger_report"))
    if (BENCHMARKS / "pages.json").exists():
        lines += _pages(_read("pages"))
    return "\n".join([*lines, _AFTER])


_AFTER = """
## What was not measured

How the store behaves with more than a few gigabytes, machines with many cores, and networks between service and store were
not measured. Nothing on this page says anything about them.
"""


def _read(name: str) -> Any:
    return json.loads((BENCHMARKS / f"{name}.json").read_text(encoding="utf-8"))


def _on(machine: dict[str, str], store: str | None = None) -> str:
    where = f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}"
    return f"On {where}{f', {store}' if store else ''}, {machine['date'][:10]}."


def _row(section: dict[str, Any], name: str) -> list[Any]:
    return next(row for row in section["rows"] if row[0] == name)


def _rates(found: dict[str, Any]) -> dict[str, float]:
    throughput, metering = found["throughput"], found["metering"]
    return {
        "contexts": _row(throughput, "POST /v1/context")[1],
        "outcomes": _row(throughput, "POST /v1/outcome")[1],
        "records": _row(metering, "POST /meter/v2/ai/completions")[1],
        "batched": _row(metering, "POST /v1/ledger/meter/batch, records")[1],
    }


def _measured(found: dict[str, Any]) -> Iterable[str]:
    rates, latency, fit = _rates(found), found["latency"], found["refit"]["rows"]
    told = (
        ("contexts a second, one worker on one core", f"{rates['contexts']:,.0f}"),
        (
            "outcomes a second, one worker on one core, each on disk before its answer",
            f"{rates['outcomes']:,.0f}",
        ),
        ("metered records a second, one a request", f"{rates['records']:,.0f}"),
        ("metered records a second, 20 a request", f"{rates['batched']:,.0f}"),
        *(
            (f"`{row[0]}` at 1,000 requests a second, p50 and p99", f"{row[1]:.2f} and {row[3]:.2f} ms")
            for row in latency["rows"]
        ),
        ("p99 of contexts while the prior is fitted", f"{fit[3][1]:.1f} ms"),
        ("a fit of 20,000 users and 757,600 outcomes, in a process of its own", f"{fit[0][1]:.1f} s"),
        ("bytes in the store, a user of 20 interactions, events of the log in it", f"{_user(found):,.0f}"),
        ("bytes in the store, a metered record, all in", f"{_record(found):,.0f}"),
        (
            "memory of a worker: idle, and with 2,000 streams open",
            " and ".join(f"{row[1]:.0f} MB" for row in found["streams"]["rows"][2:]),
        ),
    )
    yield from ("| | measured |", "| --- | --- |")
    yield from (f"| {what} | {value} |" for what, value in told)


def _user(found: dict[str, Any]) -> float:
    return _row(found["memory"], "all of it (used_memory)")[2]


def _record(found: dict[str, Any]) -> float:
    return next(
        each["value"]
        for each in found["metering"]["targets"]
        if each["what"].startswith("a record in the store")
    )


def _follows(found: dict[str, Any]) -> Iterable[str]:
    rates = _rates(found)
    pair_s = 1 / rates["contexts"] + 1 / rates["outcomes"]
    yield (
        "An **interaction** is a context and its outcome, so one worker does "
        f"1 / (1 / {rates['contexts']:,.0f} + 1 / {rates['outcomes']:,.0f}) = {1 / pair_s:,.0f} of them a second "
        "when it does nothing else. Below, a worker is kept at a third of that, so that a busy hour of three "
        "times the mean still fits."
    )
    third = 1 / pair_s / 3
    yield from ("", "| | |", "| --- | --- |")
    yield f"| interactions a second, a third of a worker | {_about(third)} |"
    yield f"| interactions a day, at that rate all day long | {_about(third * _DAY_S)} |"
    for each in (10, 50):
        yield f"| users a day, when each makes {each} | {_about(third * _DAY_S / each)} |"
    users = third * _DAY_S / 10
    yield (
        f"\nMemory is used up first: {_about(users)} users of 20 interactions are "
        f"{users * _user(found) / _GB:,.0f} GB in the store."
    )


def _about(figure: float) -> str:
    """Three digits: none of these figures is known better."""
    return f"{float(f'{figure:.3g}'):,.0f}"


def _fits(found: dict[str, Any]) -> Iterable[str]:
    user, record = _user(found), _record(found)
    yield (
        "The store keeps everything in memory. Of each gigabyte (10⁹ bytes) take a quarter away, for rewriting the "
        "append-only file copies pages that change meanwhile:"
    )
    yield from ("", "| a gigabyte of store holds | |", "| --- | --- |")
    yield f"| users of 20 interactions ({user:,.0f} bytes each) | {_about(0.75 * _GB / user)} |"
    yield f"| metered records ({record:,.0f} bytes each) | {_about(0.75 * _GB / record)} |"
    yield from ("", "")


def _reports(found: dict[str, Any]) -> Iterable[str]:
    of = found["reports"]
    yield from ("## Reports of the ledger", "", _on(found["machine"]) + " " + of["note"], "")
    yield from ("| by | rows | median ms | worst of 15, ms |", "| --- | --- | --- | --- |")
    for name, rows, middle, worst in of["rows"]:
        count = f"{rows:,}" if isinstance(rows, int | float) else rows
        yield f"| {name} | {count} | {middle:,.4g} | {worst:,.4g} |"
    yield ""


def _pages(found: dict[str, Any]) -> Iterable[str]:
    yield from ("## Pages of the dashboard", "", _on(found["machine"]), "")
    for section in (each for name, each in found.items() if name != "machine"):
        if note := section.get("note"):
            yield from (note, "")
        columns = section["columns"]
        yield "| " + " | ".join(columns) + " |"
        yield "| --- |" + " --- |" * (len(columns) - 1)
        for row in section["rows"]:
            yield (
                "| "
                + " | ".join(f"{each:,.4g}" if isinstance(each, float) else str(each) for each in row)
                + " |"
            )
        yield ""
