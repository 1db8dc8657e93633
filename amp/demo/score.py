"""What the demonstration showed: the gain over the control group, and how near it came to the best."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from amp.demo.people import STAYS, People
from amp.demo.play import Interaction
from amp.learning import reward
from amp.learning.lift import Lift, UserSum, lift, log_time
from amp.learning.types import Floats, Weights
from amp.simulate.worlds import expected_reward

SPANS = ((1, 5), (6, 20), (21, 50), (51, max(STAYS)))


@dataclass(frozen=True, slots=True)
class Captured:
    """Share of the way from a random approach (0) to each person's best one (1), for some interactions."""

    first: int
    last: int
    learned: float | None
    """None: nobody of this group came so far."""
    control: float | None


def gain(interactions: Iterable[Interaction]) -> Lift:
    """Learned against control, by the product's own measure."""
    weights = Weights()
    sums: dict[int, UserSum] = {}
    for each in interactions:
        before = sums.get(each.person) or UserSum(each.control, 0, 0.0, 0, 0)
        sums[each.person] = UserSum(
            each.control,
            before.interactions + 1,
            before.reward + reward.reward(each.signals, weights),
            before.started + each.signals.started,
            before.completed + bool(each.signals.completed),
            before.times + (each.signals.time_to_start_ms is not None),
            before.log_time + log_time(each.signals.time_to_start_ms),
        )
    return lift(sums.values())


def captured(interactions: Iterable[Interaction], people: People) -> list[Captured]:
    """By interaction number, valued by the truth and not by what chance made of it."""
    # of each span and group: what was gained over a random approach, and what could have been
    sums = np.zeros((len(SPANS), 2, 2))
    for each in interactions:
        span = next(index for index, (_, last) in enumerate(SPANS) if each.nth < last)
        worth = expected_reward(people.eta(each.person, people.task(each.person, each.nth)))
        sums[span, int(each.control)] += np.array([worth[each.combination], worth.max()]) - worth.mean()
    shares = [[float(got / most) if most else None for got, most in groups] for groups in sums]
    return [Captured(*span, *share) for span, share in zip(SPANS, shares, strict=True)]


def best_single(people: People) -> float:
    """The share that one approach for everybody captures when it is chosen knowing the truth."""
    worth = np.stack([people.worth(person) for person in range(len(people.stays))])
    over_random = worth - worth.mean(axis=1, keepdims=True)
    return float(over_random.mean(axis=0).max() / over_random.max(axis=1).mean())


def reached(people: People, person: int, combination: int) -> float:
    """The share of the way from a random approach to somebody's best one that this one goes."""
    worth = people.worth(person)
    return float((worth[combination] - worth.mean()) / (worth.max() - worth.mean()))


def truth(people: People, person: int) -> list[Floats]:
    """Somebody's true expected reward of each option, averaged as in a posterior; one array a dimension."""
    worth, options = people.worth(person), people.approaches.options_of
    return [
        np.bincount(options[:, dimension], worth) / np.bincount(options[:, dimension])
        for dimension in range(len(people.approaches.sizes))
    ]
