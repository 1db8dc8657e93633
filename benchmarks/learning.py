"""`python -m benchmarks.learning`: ours, the policies everybody knows and the peers on the same streams.

Finished trials are kept, so that a run that was ended goes on and a second one only measures what is new.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

# one BLAS thread a process, as in the workers; numpy reads it once, when it is loaded
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import msgspec
import typer
from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import machine, report
from benchmarks.entrants import BY_NAME, FAMILIES, Family
from benchmarks.libraries import installed
from benchmarks.readme import LEARNING, renewed
from benchmarks.report import Section
from benchmarks.standings import BINS, Check, Row, Size, Trials, checks, rows
from benchmarks.trial import Task, Trial, digest, measure

README = Path(__file__).parents[1] / "README.md"
WORLDS = "cdef"
SIZES = (Size(300, 5), Size(1000, 3))
"""All settings in the first; only a family's best of them in the others."""
WIDTH = 150


class Cache:
    """Trials that are finished, one JSON line each; of two for the same task the later one counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_bytes().splitlines() if path.exists() else []
        self._kept = {trial.task: trial for trial in map(_trial, lines)}

    def of(self, tasks: Sequence[Task], streams: dict[tuple[str, int, int], str]) -> dict[Task, Trial]:
        """Those of these tasks that were measured on these very streams."""
        return {
            task: trial
            for task in tasks
            if (trial := self._kept.get(task)) and trial.stream == streams[task[:3]]
        }

    def add(self, trial: Trial) -> None:
        self._kept[trial.task] = trial
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(trial) + b"\n")


def _trial(line: bytes) -> Trial:
    return msgspec.json.decode(line, type=Trial)


def main(
    *,
    size: Annotated[
        list[str] | None, typer.Option(help="USERSxSEEDS, more than once; default 300x5 and 1000x3.")
    ] = None,
    worlds: Annotated[str, typer.Option(help="Letters of the worlds.")] = WORLDS,
    only: Annotated[
        list[str] | None, typer.Option(help="Measure this policy anew, and take the rest from the cache.")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="Leave this policy out.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="File of finished trials; by default in the user's cache folder.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes.")] = os.cpu_count() or 1,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON on stdout.")] = False,
) -> None:
    """Measure the learner beside its peers; a run of the default sizes is kept in learning.json."""
    console = Console(stderr=as_json)
    if not console.is_terminal:
        console.width = WIDTH
    sizes = [_size(each) for each in size] if size else list(SIZES)
    for name in [*(only or []), *(without or [])]:
        if name not in BY_NAME:
            raise typer.BadParameter(f"{name}: there are {', '.join(BY_NAME)}")
    there = [each for each in FAMILIES if each.library is None or each.library in installed()]
    asked = [each for each in there if each.name not in (without or [])]
    kept = Cache(cache or user_cache_path("amp") / "learning-trials.jsonl")
    found = _measure(sizes, worlds, asked, only=only or [], kept=kept, jobs=jobs)
    trials = Trials(found)
    done = _document(sizes, worlds, there, found, trials)
    _show(console, done)
    if as_json:
        sys.stdout.write(_encoded(done))
    if not (size or without) and worlds == WORLDS:
        LEARNING.write_text(_encoded(done), encoding="utf-8")
        README.write_text(renewed(README.read_text(encoding="utf-8"), done), encoding="utf-8")
        console.print(f"Written to {LEARNING} and to {README}")


def _size(text: str) -> Size:
    users, _, seeds = text.partition("x")
    if not (users.isdecimal() and seeds.isdecimal() and int(users) and int(seeds)):
        raise typer.BadParameter(f"--size {text}: write it as 300x5")
    return Size(int(users), int(seeds))


def _measure(
    sizes: Sequence[Size],
    worlds: str,
    there: Sequence[Family],
    *,
    only: Sequence[str],
    kept: Cache,
    jobs: int,
) -> list[Trial]:
    """Every trial, from the cache or made now; the first size chooses the settings for the others."""
    found: list[Trial] = []
    with (
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool,
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        ) as progress,
    ):
        for nth, size in enumerate(sizes):
            tasks = list(_tasks(size, worlds, there, Trials(found) if nth else None, sizes[0]))
            streams = {task[:3]: "" for task in tasks}
            streams = {key: digest(*key) for key in streams}
            known = kept.of([task for task in tasks if task.family not in only], streams)
            bar = progress.add_task(f"{size.users:,} users", total=len(tasks), completed=len(known))
            todo = [task for task in tasks if task not in known and (not only or task.family in only)]
            for done in as_completed([pool.submit(measure, task) for task in todo]):
                kept.add(done.result())
                progress.advance(bar)
            found += kept.of(tasks, streams).values()
    return found


def _tasks(
    size: Size, worlds: str, there: Sequence[Family], chosen: Trials | None, chosen_at: Size
) -> Iterator[Task]:
    """Seed after seed, so that an interrupted run has something of everything."""
    for seed in range(1, size.seeds + 1):
        for world in worlds:
            for family in there:
                if family.users_max and size.users > family.users_max:
                    continue
                best = chosen.best(chosen_at.users, family.name) if chosen else None
                for setting in family.settings:
                    few = setting.seeds_max and seed > setting.seeds_max
                    if not few and (chosen is None or setting.name == best):
                        yield Task(world, size.users, seed, family.name, setting.name)


def _document(
    sizes: Sequence[Size], worlds: str, there: Sequence[Family], found: Sequence[Trial], trials: Trials
) -> dict[str, Any]:
    return {
        "machine": machine.hardware(),
        "libraries": installed(),
        "missing": [family.title for family in FAMILIES if family not in there],
        "worlds": worlds,
        "sizes": [{"users": users, "seeds": list(range(1, seeds + 1))} for users, seeds in sizes],
        "bins": [list(each) for each in BINS],
        "rows": msgspec.to_builtins(rows(trials, sizes)),
        "checks": msgspec.to_builtins(checks(trials, sizes)),
        "trials": msgspec.to_builtins(sorted(found, key=lambda trial: trial.task)),
    }


def _encoded(done: dict[str, Any]) -> str:
    """JSON with one row, check or trial a line."""
    parts: list[str] = []
    for key, value in done.items():
        said = json.dumps(value)
        if key in {"rows", "checks", "trials"}:
            said = "[\n" + ",\n".join(json.dumps(each) for each in value) + "\n]"
        parts.append(f"{json.dumps(key)}: {said}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _show(console: Console, done: dict[str, Any]) -> None:
    found = [msgspec.convert(row, Row) for row in done["rows"]]
    for size in done["sizes"]:
        table = [
            [
                f"{row.title}\n  [dim]{row.setting}[/]",
                *(f"{100 * share:.1f}" for share in (*row.everybody, *row.late)),
                f"{row.decide_us:,.0f} / {row.batch:,.0f}",
                f"{row.learn_us:,.0f}",
                f"{row.user_bytes:,.0f}",
            ]
            for row in found
            if row.users == size["users"]
        ]
        columns = [f"{first}-{last}" for first, last in done["bins"]]
        titles = [
            "policy",
            *columns,
            *(f"late {each}" for each in columns),
            "us / batch",
            "us learn",
            "B a user",
        ]
        title = f"% captured, {size['users']:,} users, {len(size['seeds'])} seeds, worlds {done['worlds']}"
        report.show(console, Section(title, titles, [list[str | float](cells) for cells in table], []))
    for check in (msgspec.convert(each, Check) for each in done["checks"]):
        word = "[green]met[/]" if check.met else "[bold red]missed[/]"
        console.print(f"{word}: {check.what}: {check.figures}", highlight=False)
    if done["missing"]:
        console.print(f"Not installed (pip install -e '.[peers]'): {', '.join(done['missing'])}")


if __name__ == "__main__":
    typer.run(main)
