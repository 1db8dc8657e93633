"""README's measured tables: of results.json (`python -m benchmarks.readme` prints it), of the other files."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
REPORTS = Path(__file__).with_name("ledger_report.json")
REPORTS_BEGIN, REPORTS_END = "<!-- ledger reports: begin -->", "<!-- ledger reports: end -->"
"""Between them README has `reports`; `python -m benchmarks.ledger_report` renews it."""
PAGES = Path(__file__).with_name("pages.json")
PAGES_BEGIN, PAGES_END = "<!-- pages: begin -->", "<!-- pages: end -->"
"""Between them README has `pages`; `python -m benchmarks.pages` renews it."""
LEARNING = Path(__file__).with_name("learning.json")
BEGIN, END = "<!-- learning: begin -->", "<!-- learning: end -->"
"""Between them README has `standing`; `python -m benchmarks.learning` renews it."""


def measured(results: dict[str, Any]) -> str:
    """The main rows as Markdown tables, with the targets and whether they are met."""
    machine, found = results["machine"], results["benchmarks"]
    date = machine["date"][:10]
    metering = found.get("metering", {"rows": []})  # results.json may be of before it
    lines = [
        (
            f"On {machine['cores']} cores ({machine['processor']}), Python {machine['python']}, {date}; "
            "one worker on one core, 64 connections, every outcome on disk before its answer; ratios are the "
            "median of interleaved rounds."
        ),
        "",
        "| one worker | requests/s | CPU µs a request | times Litestar's empty handler |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {rate:,.0f} | {cpu_us:.0f} | {ratio} |"
            for name, rate, cpu_us, _, ratio, *_ in found["throughput"]["rows"]
        ),
        *(
            f"| {name} | {rate:,.0f} | {cpu_us:.0f} | {ratio} |"
            for name, rate, cpu_us, _, _, ratio, *_ in metering["rows"][2:]
        ),
        "",
        "| open loop at 1,000 requests/s | p50 ms | p99 ms |",
        "| --- | --- | --- |",
        *(f"| {path} | {p50:.2f} | {p99:.2f} |" for path, p50, _, p99, *_ in found["latency"]["rows"]),
        "",
        "| target | measured | aim | |",
        "| --- | --- | --- | --- |",
        *(
            _target(found[name]["title"], target)
            for name in (
                "throughput",
                "metering",
                "decision",
                "client",
                "spool",
                "memory",
                "refit",
                "grading",
                "streams",
            )
            if name in found
            for target in found[name]["targets"]
        ),
    ]
    return "\n".join(lines) + "\n"


def _target(title: str, target: dict[str, Any]) -> str:
    side = "at least" if target["at_least"] else "at most"
    met = "met" if target["met"] else "**missed**"
    value = f"{target['value']:,.0f}" if target["value"] >= 100 else f"{target['value']:.3g}"
    return f"| {title}: {target['what']} | {value} {target['unit']} | {side} {target['limit']:,.4g} | {met} |"


def standing(found: dict[str, Any]) -> str:
    """Ours beside its peers as Markdown tables, the largest population first, then the checks."""
    machine = found["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in found["libraries"].items())
    lines = [
        (
            f"Worlds {', '.join(found['worlds'])} of `amp/simulate`; interactions of a user in bins; "
            "% captured of what there is to gain over a random approach, mean over worlds and seeds. Every "
            f"library in the best of its settings tried. {libraries}; {machine['cores']} cores "
            f"({machine['processor']}), Python {machine['python']}, {machine['date'][:10]}."
        ),
    ]
    for size in sorted(found["sizes"], key=lambda size: -size["users"]):
        lines += ["", *_standing_at(found, size)]
    if found["checks"]:
        lines += [
            "",
            "| check | measured | |",
            "| --- | --- | --- |",
            *(
                f"| {check['what']} | {check['figures']} | {'met' if check['met'] else '**missed**'} |"
                for check in found["checks"]
            ),
        ]
    return "\n".join(lines) + "\n"


def reports(found: dict[str, Any]) -> str:
    """How fast the ledger's reports answer, as a Markdown table, then what it was measured on."""
    machine, of = found["machine"], found["reports"]
    aimed = {target["what"]: target for target in of["targets"]}
    lines = ["| " + " | ".join([*of["columns"], ""]) + " |", "| --- |" + " --- |" * len(of["columns"])]
    for name, rows, middle, worst in of["rows"]:
        target = aimed.get(f"report by {name}, median")
        met = "" if target is None else "met" if target["met"] else "**missed**"
        count = f"{rows:,}" if isinstance(rows, int | float) else rows
        lines.append(f"| {name} | {count} | {middle:,.4g} | {worst:,.4g} | {met} |")
    where = f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}"
    return "\n".join([*lines, "", f"{of['note']} {where}, {machine['date'][:10]}."]) + "\n"


def with_reports(text: str, found: dict[str, Any]) -> str:
    """README with the ledger's reports made new."""
    return _between(text, REPORTS_BEGIN, reports(found), REPORTS_END)


def pages(found: dict[str, Any]) -> str:
    """How fast the dashboard's pages are, as a Markdown table, its targets, what it was measured on."""
    machine, of = found["machine"], found["pages"]
    medians = {f"{name}, median" for name, *_ in of["rows"]}
    lines = ["| " + " | ".join(of["columns"]) + " |", "| --- |" + " --- |" * (len(of["columns"]) - 1)]
    lines += [
        f"| {name} | " + " | ".join(f"{each:,.3g}" for each in told) + " |" for name, *told in of["rows"]
    ]
    kept = [target for target in of["targets"] if target["what"] in medians]
    others = [target for target in of["targets"] if target["what"] not in medians]
    slowest = max(kept, key=lambda target: target["value"]) | {"met": all(target["met"] for target in kept)}
    slowest["what"] = f"every page's median; the slowest: {slowest['what'].removesuffix(', median')}"
    lines += ["", "| target | measured | aim | |", "| --- | --- | --- | --- |"]
    lines += [_target("Pages", target) for target in (slowest, *others)]
    where = f"{machine['cores']} cores ({machine['processor']}), Python {machine['python']}"
    return "\n".join([*lines, "", f"{of['note']} {where}, {machine['date'][:10]}."]) + "\n"


def with_pages(text: str, found: dict[str, Any]) -> str:
    """README with the dashboard's pages made new."""
    return _between(text, PAGES_BEGIN, pages(found), PAGES_END)


def renewed(text: str, found: dict[str, Any]) -> str:
    """README with what stands between its marks made new."""
    return _between(text, BEGIN, standing(found), END)


def _between(text: str, begin: str, new: str, end: str) -> str:
    before, _, rest = text.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"README has no {begin} ... {end}")
    return f"{before}{begin}\n{new}{end}{after}"


def _standing_at(found: dict[str, Any], size: dict[str, Any]) -> list[str]:
    bins = " | ".join(f"{first} to {last}" for first, last in found["bins"])
    regret = " / ".join(found["worlds"])
    who = f"{size['users']:,} users, seeds {size['seeds'][0]} to {size['seeds'][-1]}"
    return [
        (
            f"| {who} | {bins} | late users | regret at 6 to 20: {regret} "
            "| CPU µs a decision (batch) | CPU µs an outcome | bytes a user |"
        ),
        "| --- |" + " --- |" * (len(found["bins"]) + 5),
        *(_standing_row(row, len(size["seeds"])) for row in found["rows"] if row["users"] == size["users"]),
    ]


def _standing_row(row: dict[str, Any], seeds: int) -> str:
    few = "" if row["seeds"] == seeds else f"; {row['seeds']} of {seeds} seeds"
    bins = " | ".join(f"{100 * share:.1f}" for share in row["everybody"])
    late = " / ".join(f"{100 * share:.1f}" for share in row["late"])
    regret = " / ".join(f"{share:.3f}" for share in row["regret"].values())
    background = f" + {row['background_us']:,.0f} in the background" if row["background_us"] >= 1 else ""
    shared = f" + {row['shared_bytes']:,} for all" if row["shared_bytes"] else ""
    return (
        f"| {row['title']} ({row['setting']}{few}) | {bins} | {late} | {regret} | {row['decide_us']:,.0f} "
        f"({row['batch']:,.0f}) | {row['learn_us']:,.0f}{background} | {row['user_bytes']:,.0f}{shared} |"
    )


if __name__ == "__main__":
    print(measured(json.loads(RESULTS.read_text(encoding="utf-8"))), end="")
