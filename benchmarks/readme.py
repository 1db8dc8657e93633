"""README's section "Measured", out of results.json: `python -m benchmarks.readme` prints it."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")


def measured(results: dict[str, Any]) -> str:
    """The main rows as Markdown tables, with the targets and whether they are met."""
    machine, found = results["machine"], results["benchmarks"]
    date = machine["date"][:10]
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
        "",
        "| open loop at 1,000 requests/s | p50 ms | p99 ms |",
        "| --- | --- | --- |",
        *(f"| {path} | {p50:.2f} | {p99:.2f} |" for path, p50, _, p99, *_ in found["latency"]["rows"]),
        "",
        "| target | measured | aim | |",
        "| --- | --- | --- | --- |",
        *(
            _target(found[name]["title"], target)
            for name in ("throughput", "decision", "client", "memory")
            for target in found[name]["targets"]
        ),
    ]
    return "\n".join(lines) + "\n"


def _target(title: str, target: dict[str, Any]) -> str:
    side = "at least" if target["at_least"] else "at most"
    met = "met" if target["met"] else "**missed**"
    value = f"{target['value']:,.0f}" if target["value"] >= 100 else f"{target['value']:.3g}"
    return f"| {title}: {target['what']} | {value} {target['unit']} | {side} {target['limit']:,.4g} | {met} |"


if __name__ == "__main__":
    print(measured(json.loads(RESULTS.read_text(encoding="utf-8"))), end="")
