"""The drawings of the pages: diagrams laid out by hand, and pictures of what was measured or computed.

All are 480 wide, so that they can be read on a phone, and take their colours from the page: ink, faint, line,
paper and accent are classes of `docs/stylesheets/amp.css`.
"""

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import numpy as np

from amp.learning import rows
from amp.learning.approaches import PUBLISHED
from amp.learning.choice import choose
from amp.learning.posterior import describe
from amp.learning.prior import shipped
from amp.learning.types import Ask, Context, Policy, Signals

WIDTH = 480
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
Point = tuple[float, float]


def drawings() -> dict[str, str]:
    """SVG by name."""
    made: dict[str, Callable[[], str]] = {
        "loop": _loop,
        "decision": _decision,
        "captured": _captured,
        "posterior": _posterior,
        "once": _once,
        "chain": _chain,
        "graded": _graded,
        "bridge": _bridge,
    }
    return {name: draw() for name, draw in made.items()}


# Parts


def _svg(height: float, *parts: str) -> str:
    arrow = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path class="tip" d="M0 0.5 8 4 0 7.5z"/></marker></defs>'
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}">{arrow}{"".join(parts)}</svg>'


def _box(x: float, y: float, w: float, h: float, *lines: str, kind: str = "box") -> str:
    """A box; the first line is its name, the others say more."""
    middle = y + h / 2 - (len(lines) - 1) * 9 + 5
    words = "".join(
        _text(x + w / 2, middle + 18 * number, line, "ink" if number == 0 else "faint")
        for number, line in enumerate(lines)
    )
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="6"/>{words}'


def _text(x: float, y: float, words: str, kind: str = "faint", anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def _arrow(*points: Point, kind: str = "line") -> str:
    path = " ".join(f"{'M' if number == 0 else 'L'}{x:g} {y:g}" for number, (x, y) in enumerate(points))
    return f'<path class="{kind}" d="{path}" marker-end="url(#tip)"/>'


def _line(*points: Point, kind: str = "line") -> str:
    return f'<polyline class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


# Diagrams


def _loop() -> str:
    return _svg(
        300,
        _box(20, 20, 130, 56, "Your agent"),
        _box(330, 20, 130, 56, "amp", kind="box strong"),
        _arrow((150, 36), (330, 36)),
        _text(240, 29, "context?"),
        _arrow((330, 60), (150, 60)),
        _text(240, 53, "approach"),
        _arrow((150, 72), (200, 92), (280, 92), (330, 72)),
        _text(240, 108, "what came of it"),
        _box(20, 160, 130, 48, "Jobs", "costs, outcomes"),
        _box(20, 232, 130, 48, "Sessions", "graded work"),
        _box(200, 196, 110, 48, "Bridge"),
        _arrow((150, 184), (200, 210)),
        _arrow((150, 256), (200, 230)),
        _arrow((310, 220), (370, 220), (370, 76)),
        _text(362, 150, "teaches too", anchor="end"),
        _box(390, 232, 70, 48, "Store"),
        _arrow((440, 76), (440, 232)),
    )


def _decision() -> str:
    return _svg(
        440,
        _box(20, 16, 200, 52, "Request", "user, task, context"),
        _box(260, 16, 200, 52, "Store", "the user's rows"),
        _arrow((220, 42), (260, 42)),
        _box(20, 110, 200, 52, "Population prior", "fitted in the background"),
        _box(260, 110, 200, 52, "Rows", "approach, signals, when"),
        _arrow((360, 68), (360, 110)),
        _box(120, 204, 240, 52, "Posterior", "what is believed of this user", kind="box strong"),
        _arrow((120, 162), (180, 204)),
        _arrow((360, 162), (300, 204)),
        _box(120, 288, 240, 52, "One draw, its best approach", "floor, locks, exclusions, control"),
        _arrow((240, 256), (240, 288)),
        _box(20, 376, 200, 52, "Approach", "confidence, rationale"),
        _box(260, 376, 200, 52, "requestId", "the decision, sealed"),
        _arrow((190, 340), (130, 376)),
        _arrow((290, 340), (350, 376)),
    )


def _once() -> str:
    def message(y: float, words: str, to_right: bool, lost: bool = False) -> str:
        start, end = (90, 390) if to_right else (390, 90)
        if lost:
            end = 250
        return (
            _arrow((start, y), (end, y), kind="line dashed" if lost else "line")
            + _text(240 if not lost else 320, y - 7, words)
            + (_text(238, y + 5, "✕", "accent") if lost else "")
        )

    return _svg(
        270,
        _box(30, 12, 120, 36, "Client"),
        _box(330, 12, 120, 36, "amp and store"),
        _line((90, 48), (90, 262), kind="line dotted"),
        _line((390, 48), (390, 262), kind="line dotted"),
        message(84, "report", True),
        _text(398, 106, "row", "ink", "start"),
        _text(398, 122, "added", "ink", "start"),
        message(126, "200", False, lost=True),
        message(168, "the same report again", True),
        _text(398, 190, "row is", "ink", "start"),
        _text(398, 206, "there", "ink", "start"),
        message(216, "200, Idempotent-Replay", False),
        _text(240, 254, "One interaction, however often it was sent", "ink"),
    )


def _chain() -> str:
    parts = []
    for number, (name, what) in enumerate(
        (("Entry 1", "job made"), ("Entry 2", "AI call"), ("Entry 3", "outcome"))
    ):
        x = 16 + number * 156
        parts.append(_box(x, 20, 136, 52, name, what))
        parts.append(_box(x, 100, 136, 40, f"link {number + 1}", kind="box strong"))
        parts.append(_arrow((x + 68, 72), (x + 68, 100)))
        if number < 2:
            parts.append(_arrow((x + 136, 120), (x + 156, 120)))
    parts += [
        _box(172, 190, 292, 52, "Head file, outside the store", "each second, with an HMAC"),
        _arrow((396, 140), (396, 190)),
        _text(20, 212, "changed or taken out:", anchor="start"),
        _text(20, 230, "links do not hold", "ink", "start"),
        _text(172, 266, "cut off at the end: the head names more", anchor="start"),
    ]
    return _svg(280, *parts)


def _graded() -> str:
    return _svg(
        330,
        _box(130, 16, 220, 52, "Task and rubric", "criteria, numbered and frozen"),
        _box(30, 120, 160, 56, "Agent", "reads and writes files"),
        _box(290, 120, 160, 56, "Grader", "a context of its own", kind="box strong"),
        _arrow((180, 68), (120, 120)),
        _arrow((300, 68), (360, 120)),
        _arrow((190, 138), (290, 138)),
        _text(240, 131, "work"),
        _arrow((290, 160), (190, 160)),
        _text(240, 178, "gaps"),
        _box(30, 250, 200, 56, "satisfied", "every criterion passed"),
        _box(250, 250, 200, 56, "out of iterations,", "failed or interrupted"),
        _arrow((340, 176), (180, 250)),
        _arrow((380, 176), (360, 250)),
    )


def _bridge() -> str:
    return _svg(
        290,
        _box(20, 16, 180, 48, "Decision", "requestId"),
        _box(280, 16, 180, 48, "The user's row", "one interaction", kind="box strong"),
        _arrow((200, 40), (280, 40)),
        _text(240, 33, "agent"),
        _box(56, 112, 144, 48, "Job", "CONVERTED, …"),
        _box(20, 216, 180, 48, "Session", "satisfied, failed, …"),
        _arrow((110, 64), (110, 112)),
        _text(118, 92, "carries it", anchor="start"),
        _arrow((38, 64), (38, 216)),
        _box(280, 164, 180, 48, "Mapping", "yours, versioned"),
        _arrow((200, 136), (280, 178)),
        _arrow((200, 240), (280, 198)),
        _arrow((370, 164), (370, 64)),
        _text(378, 118, "completed?", anchor="start"),
        _text(378, 136, "satisfaction", anchor="start"),
    )


# Of figures

_CURVES = (
    ("amp", "amp: prior and the user's own", "curve strong"),
    ("known", "the true prior known", "curve dashed"),
    ("pooled_linear", "the crowd alone", "curve"),
    ("beta", "the user alone", "curve dotted"),
)


def _captured() -> str:
    """% captured by interactions, of the largest population in learning.json."""
    found = json.loads((BENCHMARKS / "learning.json").read_text(encoding="utf-8"))
    users = max(size["users"] for size in found["sizes"])
    titles = {
        "amp": "amp",
        "known": "Thompson that knows the true prior",
        "pooled_linear": "pooled linear Thompson",
        "beta": "per-user Beta counts, one a dimension and option",
    }
    rows = {row["title"]: row["everybody"] for row in found["rows"] if row["users"] == users}
    bins = [f"{first} to {last}" for first, last in found["bins"]]

    def at(number: int, share: float) -> Point:
        return 70 + number * 115, 230 - 200 * share

    parts = [
        _line((60, 230 - 200 * share), (445, 230 - 200 * share), kind="grid")
        + _text(52, 235 - 200 * share, f"{100 * share:.0f}", anchor="end")
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    parts += [_text(at(number, 0)[0], 252, name) for number, name in enumerate(bins)]
    parts.append(_text(250, 272, f"interactions of a user ({users:,} users, four worlds)"))
    for number, (key, words, kind) in enumerate(_CURVES):
        points = [at(place, share) for place, share in enumerate(rows[titles[key]])]
        parts.append(_line(*points, kind=kind))
        y = 296 + number * 22
        parts += [_line((70, y - 5), (110, y - 5), kind=kind), _text(120, y, words, "ink", "start")]
    return _svg(376, *parts)


def _posterior() -> str:
    """The four framings as the code that serves believes them, after some outcomes of one user."""
    beliefs = _believed((0, 1, 5, 20))
    low, high = 0.1, 0.9

    def x(reward: float) -> float:
        return 130 + 330 * (min(max(reward, low), high) - low) / (high - low)

    parts: list[str] = []
    top = 8.0
    for count, options in beliefs:
        words = "before any outcome" if not count else f"after {count} outcome{'s' * (count > 1)}"
        parts.append(_text(16, top + 14, words, "ink", "start"))
        for number, (option, mean, sd, best) in enumerate(options):
            y = top + 36 + 22 * number
            kind = "strong" if best else ""
            parts += [
                _text(122, y + 5, option, "faint", "end"),
                _line((x(mean - 1.645 * sd), y), (x(mean + 1.645 * sd), y), kind=f"interval {kind}"),
                f'<circle class="dot {kind}" cx="{x(mean):.1f}" cy="{y:g}" r="4.5"/>',
            ]
        top += 134
    parts.append(_line((x(0.5), 24), (x(0.5), top - 8), kind="grid"))
    for reward in (0.1, 0.3, 0.5, 0.7, 0.9):
        parts.append(_text(x(reward), top + 8, f"{reward:g}"))
    parts.append(_text(295, top + 28, "expected reward of an option"))
    return _svg(top + 40, *parts)


def _believed(counts: Sequence[int]) -> list[tuple[int, list[tuple[str, float, float, bool]]]]:
    """Option, mean, spread and whether it is the best, at each count of outcomes of one simulated user.

    What is shown is chosen as it is when served. The user completes 9 in 10 of what is framed as a micro task,
    and 1 in 4 of all else.
    """
    prior, policy, rng = shipped(PUBLISHED), Policy(explore_floor=0.0), np.random.default_rng(5)
    packed, found = b"", []
    for count in range(max(counts) + 1):
        history = np.frombuffer(packed, rows.ROW)
        if count in counts:
            [framing, *_] = describe(history, [None] * 4, Context(), prior, policy, PUBLISHED)
            best = max(option.mean for option in framing.options)
            found.append(
                (
                    count,
                    [
                        (each.option, each.mean, each.sd, count > 0 and each.mean == best)
                        for each in framing.options
                    ],
                )
            )
        [choice] = choose([Ask(history, Context(), int(rng.integers(1 << 63)))], prior, policy, PUBLISHED)
        framed = PUBLISHED.dimensions[0].options[choice.combination // 64]
        completed = bool(rng.random() < (0.9 if framed == "micro_task" else 0.25))
        decided = rows.Decision(count + 1, (count + 1) * 60_000, choice.combination, 0, 0, 12, 1, 0)
        said = Signals(started=True, completed=completed)
        packed += rows.pack(decided, said, fingerprint=bytes(6), final=True, step=0)
    return found
