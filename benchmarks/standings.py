"""Trials to a table and to the checks of the learner, each with its figures."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import mean, stdev
from typing import NamedTuple

import msgspec

from amp.learning.rows import KEPT_ROWS, ROW
from amp.simulate.score import BINS
from benchmarks.entrants import BY_NAME, FAMILIES, KNOWN, LINEAR, OURS, PEERS, Family
from benchmarks.trial import Trial

EARLY = BINS.index((6, 20))
KNOWN_SHARE_MIN, KNOWN_MEAN_MIN = 0.95, 1.0
REGRET_SHARES_MAX = {"c": 0.75, "d": 0.75, "f": 0.90}
"""Ours against the best peer's, at interactions 6 to 20. Source: learning.md section 6 and the issue."""
VIEWS = ("everybody", "late")


class Size(NamedTuple):
    """A population, and the seeds it was drawn with."""

    users: int
    seeds: int


class Row(msgspec.Struct, frozen=True):
    """A policy in its best setting at one size, over worlds and seeds."""

    users: int
    seeds: int
    family: str
    title: str
    setting: str
    everybody: list[float]
    late: list[float]
    regret: dict[str, float]
    """By world: the share not captured at interactions 6 to 20, everybody."""
    decide_us: float
    batch: float
    learn_us: float
    background_us: float
    user_bytes: float
    shared_bytes: int


class Check(msgspec.Struct, frozen=True):
    """Something that has to hold, what was found, and whether it does."""

    what: str
    figures: str
    met: bool


class Trials:
    """Finished trials, by who and where."""

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._by: dict[tuple[int, str, str, str], dict[int, Trial]] = defaultdict(dict)
        for each in trials:
            self._by[each.users, each.family, each.setting, each.world][each.seed] = each
        self.worlds = sorted({key[3] for key in self._by})

    def settings(self, users: int, family: str) -> list[str]:
        """Those that were measured in every world."""
        return [
            setting.name
            for setting in BY_NAME[family].settings
            if all(self._by.get((users, family, setting.name, world)) for world in self.worlds)
        ]

    def of(self, users: int, family: str, setting: str, world: str | None = None) -> list[Trial]:
        """By world, then seed."""
        return [
            trial
            for each in ([world] if world else self.worlds)
            for _, trial in sorted(self._by.get((users, family, setting, each), {}).items())
        ]

    def best(self, users: int, family: str, world: str | None = None, *, seeds: int = 1) -> str | None:
        """The setting that captured most at interactions 6 to 20, of those with so many seeds.

        A setting with fewer seeds is compared on the seeds that it has.
        """
        names = [
            name
            for name in self.settings(users, family)
            if all(len(self.of(users, family, name, each)) >= seeds for each in self.worlds)
        ]
        if not names:
            return None
        shared = min(len(self.of(users, family, name, each)) for name in names for each in self.worlds)

        def captured(name: str) -> float:
            worlds = [world] if world else self.worlds
            return mean(
                trial.everybody[EARLY]
                for each in worlds
                for trial in self.of(users, family, name, each)[:shared]
            )

        return max(names, key=captured)


def rows(trials: Trials, sizes: Sequence[Size]) -> list[Row]:
    """The table: best first where all is averaged at interactions 6 to 20."""
    made = [_row(trials, size.users, family) for size in sizes for family in FAMILIES]
    found = [row for row in made if row is not None]
    return sorted(found, key=lambda row: (-row.users, -row.everybody[EARLY]))


def _row(trials: Trials, users: int, family: Family) -> Row | None:
    setting = trials.best(users, family.name)
    if setting is None:
        return None
    found = trials.of(users, family.name, setting)
    own, shared = _state(trials, family, found)
    return Row(
        users=users,
        seeds=len({trial.seed for trial in found}),
        family=family.name,
        title=family.title,
        setting=setting,
        everybody=_means([trial.everybody for trial in found]),
        late=_means([trial.late for trial in found]),
        regret={
            world: round(1.0 - mean(t.everybody[EARLY] for t in found if t.world == world), 4)
            for world in trials.worlds
        },
        decide_us=round(mean(trial.decide_us for trial in found), 1),
        batch=round(mean(trial.batch for trial in found), 1),
        learn_us=round(mean(trial.learn_us for trial in found), 1),
        background_us=round(mean(trial.background_us for trial in found), 1),
        user_bytes=round(own, 1),
        shared_bytes=shared,
    )


def _state(trials: Trials, family: Family, found: Sequence[Trial]) -> tuple[float, int]:
    """Bytes that each user adds, and bytes that all share."""
    users = found[0].users
    if family.state == "rows":
        each = mean(min(trial.interactions / users, KEPT_ROWS) for trial in found)
        return ROW.itemsize * (1.0 + each), 0
    whole = round(mean(trial.state_bytes for trial in found))
    if family.state == "shared":
        return 0.0, whole
    beyond = trials.best(users, family.beyond) if family.beyond else None
    if family.beyond is None or beyond is None:
        return whole / users, 0
    shared = round(mean(trial.state_bytes for trial in trials.of(users, family.beyond, beyond)))
    return (whole - shared) / users, shared


def checks(trials: Trials, sizes: Sequence[Size]) -> list[Check]:
    """Against the known prior and peers' regret in the largest population, cell by cell in the smallest."""
    if not all(trials.settings(size.users, OURS) for size in sizes):
        return []
    large, small = max(sizes), min(sizes)
    return [
        *_known(trials, large),
        *_regret(trials, large),
        *(
            check
            for world in trials.worlds
            for view in VIEWS
            for said, rivals in (("best peer", PEERS), ("pooled linear", (LINEAR,)))
            for check in _cells(trials, small, world, view=view, said=said, rivals=rivals)
        ),
    ]


def _known(trials: Trials, size: Size) -> list[Check]:
    known = trials.best(size.users, KNOWN)
    ours = trials.best(size.users, OURS)
    if known is None or ours is None:
        return []
    shares = {
        world: [
            one / other
            for one, other in zip(
                _means([trial.late for trial in trials.of(size.users, OURS, ours, world)]),
                _means([trial.late for trial in trials.of(size.users, KNOWN, known, world)]),
                strict=True,
            )
        ]
        for world in trials.worlds
    }
    found = [
        Check(
            f"{size.users:,} users, world {world}: late users, against the known prior, each bin >= .95",
            _listed(shares[world]),
            min(shares[world]) >= KNOWN_SHARE_MIN,
        )
        for world in trials.worlds
    ]
    average = [mean(shares[world][index] for world in trials.worlds) for index in range(len(BINS))]
    from_six = mean(average[EARLY:])
    return [
        *found,
        Check(
            f"{size.users:,} users, all worlds: late users, against the known prior, mean from 6, >= 1.00",
            f"{from_six:.3f} (bins from 6: {_listed(average[EARLY:], 3)})",
            from_six >= KNOWN_MEAN_MIN,
        ),
    ]


def _regret(trials: Trials, size: Size) -> list[Check]:
    found: list[Check] = []
    name = trials.best(size.users, OURS)
    for world, share_max in REGRET_SHARES_MAX.items():
        ours = trials.of(size.users, OURS, name or "", world)
        peers = [
            (1.0 - mean(trial.everybody[EARLY] for trial in theirs), peer, setting)
            for peer in PEERS
            for setting in trials.settings(size.users, peer)
            if len(theirs := trials.of(size.users, peer, setting, world)) == len(ours) > 0
        ]
        if not peers:
            continue
        least, peer, setting = min(peers)
        own = 1.0 - mean(trial.everybody[EARLY] for trial in ours)
        found.append(
            Check(
                f"{size.users:,} users, world {world}: regret at 6 to 20 at least {1 - share_max:.0%} below "
                "the best peer's",
                f"{own:.3f} against {least:.3f} ({BY_NAME[peer].title}, {setting}): {own / least - 1:+.0%}",
                own <= share_max * least,
            )
        )
    return found


def _cells(
    trials: Trials, size: Size, world: str, *, view: str, said: str, rivals: Sequence[str]
) -> list[Check]:
    """Ours less the best of the rivals in each bin, paired by seed, with its standard error."""
    name = trials.best(size.users, OURS)
    if name is None:
        return []
    ours = [_view(trial, view) for trial in trials.of(size.users, OURS, name, world)]
    candidates = [
        [_view(trial, view) for trial in found]
        for rival in rivals
        for setting in trials.settings(size.users, rival)
        if len(found := trials.of(size.users, rival, setting, world)) == len(ours)
    ]
    if not candidates:
        return []
    met, figures = True, list[str]()
    for index in range(len(BINS)):
        best = max(candidates, key=lambda shares, index=index: mean(each[index] for each in shares))
        apart = [one[index] - other[index] for one, other in zip(ours, best, strict=True)]
        error = stdev(apart) / len(apart) ** 0.5 if len(apart) > 1 else 0.0
        met &= mean(apart) >= -error
        figures.append(f"{100 * mean(apart):+.1f} ± {100 * error:.1f}")
    return [
        Check(
            f"{size.users:,} users, world {world}: {view}, points against {said}, each bin not below by more "
            "than a standard error",
            ", ".join(figures),
            met,
        )
    ]


def _view(trial: Trial, view: str) -> list[float]:
    return trial.late if view == "late" else trial.everybody


def _means(lists: Sequence[Sequence[float]]) -> list[float]:
    return [round(mean(column), 5) for column in zip(*lists, strict=True)]


def _listed(values: Sequence[float], digits: int = 2) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)
