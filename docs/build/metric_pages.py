"""The table of all metrics, from where the code declares them."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import amp

_KINDS = ("Counter", "Gauge", "Histogram")
_HELP = re.compile(r"# HELP (amp_\w+) (.+)")


def table() -> str:
    """Every metric with its kind, its labels and its sentence."""
    found = {row for file in Path(amp.__file__).parent.rglob("*.py") for row in _declared(file)}
    rows = [
        f"| `{name}` | {kind}{' by ' * bool(labels)}{', '.join(f'`{label}`' for label in labels)} | {words} |"
        for name, kind, labels, words in sorted(found)
    ]
    return "\n".join(["| metric | kind | |", "| --- | --- | --- |", *rows])


def _declared(file: Path) -> Iterable[tuple[str, str, tuple[str, ...], str]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _KINDS and node.args:
            name, *more = (_value(each) for each in node.args)
            if isinstance(name, str) and name.startswith("amp_"):
                kind = str(node.func.id).lower()  # type: ignore[attr-defined]  a Name, as just seen
                labels = tuple(more[1]) if len(more) > 1 and isinstance(more[1], list) else ()
                yield name + "_total" * (kind == "counter"), kind, labels, str(more[0])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for name, words in _HELP.findall(node.value):
                yield name, "counter" if name.endswith("_total") else "gauge", (), words


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
