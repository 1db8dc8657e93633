"""What `amp simulate` shows: the captured share in each bin and by interaction, policy by policy."""

import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from amp.exits import CommandFailed
from amp.learning.approaches import PUBLISHED
from amp.learning.types import Floats
from amp.settings import Settings
from amp.simulate import drawing
from amp.simulate.compare import Estimate, Result, compare, smooth
from amp.simulate.instance import own, running
from amp.simulate.lineup import LINEUP, MakePlayer
from amp.simulate.score import BINS
from amp.simulate.served import Served
from amp.simulate.streams import Stream
from amp.simulate.worlds import WORLDS, describe
from amp.terminal import talk
from amp.terminal.curves import curves
from amp.terminal.progress import runs

OVER_HTTP = "ours-http"


@dataclass(frozen=True)
class Asked:
    """What is to be played."""

    world: str
    users: int
    seeds: range
    out: str | None

    @property
    def worlds(self) -> list[str]:
        """Their letters.

        Raises:
            CommandFailed: there is no such world.
        """
        if self.world == "all":
            return list(WORLDS)
        if self.world not in WORLDS:
            raise CommandFailed(
                f"There is no world {self.world!r}: it is one of {', '.join(WORLDS)}, or all."
            )
        return [self.world]

    def path(self, world: str) -> Path:
        """Where the plot of a world goes: with several, each has its letter before the suffix."""
        path = Path(self.out or "")
        return path.with_stem(f"{path.stem}-{world}") if self.world == "all" else path


@contextmanager
def players(
    names: str | None, settings: Settings, *, http: bool, url: str | None, key: str | None
) -> Generator[dict[str, MakePlayer]]:
    """Who plays: those named, or all; over HTTP a served instance, and beside it ours in process.

    Raises:
        CommandFailed: there is no such policy, or the instance cannot be used.
    """
    default = ["ours"] if http else list(LINEUP)
    wanted = [name.strip() for name in names.split(",")] if names else default
    if unknown := [name for name in wanted if name not in LINEUP]:
        raise CommandFailed(f"There is no policy {unknown[0]!r}: they are {', '.join(LINEUP)}.")
    chosen = {name: LINEUP[name] for name in wanted}
    if not http:
        if url:
            raise CommandFailed("--url is for --http.")
        yield chosen
        return
    if url and not key:
        raise CommandFailed("--url needs a --key, or AMP_API_KEY.")
    with running(url, key or "") if url else own(settings, talk.say) as connect:

        def over_http(stream: Stream, _: np.random.Generator) -> Served:
            return Served(connect(), f"sim-{secrets.token_hex(6)}", stream.world.approaches)

        yield chosen | {OVER_HTTP: over_http}


def run(asked: Asked, playing: Mapping[str, MakePlayer], *, as_json: bool) -> None:
    """Plays, and shows what came of it.

    Raises:
        CommandFailed: no such world, a plot that cannot be written, or the service failed.
    """
    worlds = asked.worlds
    if asked.out:
        _check_out(asked.out)
    told: list[dict[str, Any]] = []
    with runs(len(worlds) * len(asked.seeds) * len(playing)) as bar:
        for world in worlds:
            results = compare(
                world,
                asked.users,
                asked.seeds,
                playing,
                approaches=PUBLISHED,
                told=lambda policy, seed, share, world=world: bar(
                    f"World {world}, seed {seed}, {policy}", share
                ),
            )
            if as_json:
                told.append(_world_json(world, results))
            else:
                _as_page(asked, world, results)
            if asked.out:
                _draw(asked, world, results)
    if as_json:
        talk.write_json({"users": asked.users, "seeds": list(asked.seeds), "bins": BINS, "worlds": told})


def _curves(results: Sequence[Result]) -> dict[str, Floats]:
    return {each.policy: smooth(each.by_interaction.mean) for each in results}


def _check_out(out: str) -> None:
    """Before an hour of play, not after it."""
    if Path(out).suffix not in {".svg", ".png"}:
        raise CommandFailed(f"--out must end in .svg or .png, not {Path(out).suffix or 'nothing'!r}.")
    if not Path(out).parent.is_dir():
        raise CommandFailed(f"--out: there is no folder {str(Path(out).parent)!r}.")
    if Path(out).suffix == ".png":
        drawing.png(drawing.svg("", {}))


def _draw(asked: Asked, world: str, results: Sequence[Result]) -> None:
    path = asked.path(world)
    drawn = drawing.svg(f"Captured share, world {world}: {_size(asked)}", _curves(results))
    try:
        path.write_bytes(drawing.png(drawn) if path.suffix == ".png" else drawn.encode())
    except OSError as error:
        raise CommandFailed(f"The plot cannot be written: {error}") from error
    talk.say(f"Plot: {path}")


def _size(asked: Asked) -> str:
    first, last = asked.seeds[0], asked.seeds[-1]
    return f"{asked.users:,} users, " + (f"seed {first}" if first == last else f"seeds {first} to {last}")


def _as_page(asked: Asked, world: str, results: Sequence[Result]) -> None:
    """For the eyes, 80 columns wide."""
    console = Console(highlight=False)
    console.print(f"[bold]World {world}[/]  {describe(world)}")
    console.print(
        f"{_size(asked)}. Share captured of what there is to gain: 0 % is a random approach, 100 % each "
        f"user's best one{', ± standard error over the seeds' if len(asked.seeds) > 1 else ''}.\n",
        style="dim",
    )
    console.print(_table(results))
    console.print()
    console.print(curves(_curves(results), console), no_wrap=True, crop=False, overflow="ignore")


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("interactions", no_wrap=True)
    for first, last in BINS:
        table.add_column(f"{first}-{last}", justify="right")
    for title, pick in (("everybody", "everybody"), ("late users", "late")):
        table.add_row(f"[dim]{title}[/]")
        for each in results:
            estimated: Estimate = getattr(each, pick)
            style = "bold" if each.policy.startswith("ours") else ""
            table.add_row(f"  {each.policy}", *_cells(estimated), style=style)
    return table


def _cells(estimated: Estimate) -> list[str]:
    cells: list[str] = []
    for index, mean in enumerate(estimated.mean.tolist()):
        error = None if estimated.error is None else float(estimated.error[index])
        told = "" if error is None or np.isnan(error) else f" ±{100 * error:4.1f}"
        cells.append("-" if np.isnan(mean) else f"{100 * mean:.1f}{told}")
    return cells


def _world_json(world: str, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "world": world,
        "about": describe(world),
        "policies": [
            {
                "policy": each.policy,
                "everybody": _estimate_json(each.everybody),
                "late": _estimate_json(each.late),
                "byInteraction": _estimate_json(each.by_interaction),
            }
            for each in results
        ],
    }


def _estimate_json(estimated: Estimate) -> dict[str, Any]:
    def known(values: Floats | None) -> list[float | None] | None:
        return None if values is None else [None if np.isnan(each) else each for each in values.tolist()]

    return {"share": known(estimated.mean), "standardError": known(estimated.error)}
