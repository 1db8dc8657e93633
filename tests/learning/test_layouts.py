"""Dimensions and options that change: rows keep their meaning, and what is known is carried over."""

from dataclasses import replace

import numpy as np
import pytest
from histories import COMPLETED, NEVER_STARTED, START_MS, prior
from hypothesis import given, settings
from hypothesis import strategies as st

from amp.errors import InvalidParameter
from amp.learning import policies, prior_wire, rows
from amp.learning.amend import DimensionSaid, PolicyChange, WeightsSaid, amended
from amp.learning.approaches import PUBLISHED, Approaches, Dimension
from amp.learning.carry import carry
from amp.learning.choice import choose
from amp.learning.dimensions import OptionSaid
from amp.learning.document import decode, encode, first
from amp.learning.effects import ANY_OTHER_TASK, assembled
from amp.learning.fit import fit
from amp.learning.layouts import Layout, helmert, points_count
from amp.learning.policies import in_force
from amp.learning.posterior import posteriors
from amp.learning.prior import POPULATION_DRAWS, shipped
from amp.learning.reward import reward
from amp.learning.types import LEVELS, Ask, Context, Policy, Preference, Signals

ROOT = 0.5**0.5


def dims(**options):
    """Approaches of plain dimensions: `dims(tone=["warm", "dry"])`."""
    return Approaches(
        tuple(Dimension(name, f"p_{name}", f"c_{name}", tuple(own)) for name, own in options.items())
    )


def change(**options):
    """A change of the dimensions to these; an option that ends in "!" is paused, in "?" retired."""
    said = [
        DimensionSaid(
            name,
            [
                OptionSaid(each.strip("!?"), {"!": "paused", "?": "retired"}.get(each[-1], "active"))
                for each in own
            ],
        )
        for name, own in options.items()
    ]
    return PolicyChange(dimensions=said)


def course(*changes, begin=None):
    """The document after these changes, an hour apart."""
    document = begin or first(Policy())
    for number, each in enumerate(changes, 1):
        document = amended(document, each, number * 3_600_000)
    return document


def row(nonce, version, combination, signals=COMPLETED, *, context=Context(), prior_version=0):  # noqa: B008
    decision = rows.Decision(
        nonce=nonce,
        decided_ms=START_MS + nonce,
        combination=combination,
        task_hash=context.task_hash,
        level=context.level,
        hour=0,
        policy_version=version,
        prior_version=prior_version,
    )
    return rows.pack(decision, signals, fingerprint=b"finger", final=True, step=0)


def points_of(document, *pairs):
    """The points of rows of (version, combination), as options by dimension."""
    _, approaches = in_force(document)
    history = rows.unpack(b"".join(row(number, *pair) for number, pair in enumerate(pairs)))
    return approaches.options_at[approaches.points(history)].tolist()


def test_the_contrasts_of_fewer_options_are_a_part_of_those_of_more():
    """Two options: ±1/√2. A third: its own column (1, 1, -2)/√6, and 0 in the first."""
    two, three = helmert(2), helmert(3)
    assert two[:, 0].tolist() == [pytest.approx(ROOT), pytest.approx(-ROOT)]
    assert np.allclose(three[:, 1], np.array([1, 1, -2]) / 6**0.5)
    for size in range(2, 64):
        more = helmert(size + 1)
        assert more[:size, : size - 1].tobytes() == np.ascontiguousarray(helmert(size)).tobytes()
        assert not more[size, : size - 1].any()
        assert np.allclose(more.T @ more, np.eye(size))


def test_a_row_keeps_its_options_whatever_is_added_paused_removed_or_brought_back():
    """Version 2 is tone x pace; 3 adds a tone; 4 removes pace; 5 has it again, before tone, and one more."""
    two = course(change(tone=["warm", "dry"], pace=["slow", "fast"]))
    assert points_of(two, (2, 0), (2, 3)) == [[0, 0], [1, 1]]
    three = amended(two, change(tone=["warm", "dry", "wry"], pace=["slow", "fast!"]), 1)
    assert points_of(three, (2, 3), (3, 3), (3, 5)) == [[1, 1], [1, 1], [2, 1]]
    four = amended(three, change(tone=["warm", "dry", "wry"]), 2)
    assert points_of(four, (2, 3), (3, 5), (4, 2)) == [[1], [2], [2]]
    five = amended(four, change(pace=["fast", "new"], tone=["warm", "dry", "wry"]), 3)
    assert five.version == 5
    assert points_of(five, (2, 3), (3, 5), (4, 2), (5, 8)) == [[1, 1], [1, 2], [-1, 2], [2, 2]]
    assert points_of(five, (1, 255)) == [[-1, -1]], "the contract's four dimensions are none of these"
    assert points_of(five, (5, 9), (5, 65_535)) == [[-1, -1]] * 2, "what no layout has is no option at all"
    assert in_force(five).approaches.told(2, 1) == {"tone": "warm", "pace": "fast"}
    assert in_force(five).approaches.told(1, 0)["suggestedFraming"] == "achievement"


def test_a_row_of_before_a_dimension_has_no_contrast_of_it():
    """x(warm) = [1, 1/√2] becomes [1, 1/√2, 0], and one of after has ±1/√2 in the last."""
    document = course(change(tone=["warm", "dry"]), change(tone=["warm", "dry"], pace=["slow", "fast"]))
    _, approaches = in_force(document)
    history = rows.unpack(row(1, 2, 0) + row(2, 3, 0) + row(3, 3, 1))
    assert np.allclose(
        approaches.design[approaches.points(history)],
        [[1, ROOT, 0], [1, ROOT, ROOT], [1, ROOT, -ROOT]],
    )


def test_the_points_are_counted_without_making_them():
    document = course(
        change(tone=["warm", "dry"], pace=["slow", "fast"]),
        change(tone=["warm", "dry", "wry"]),
        change(tone=["warm", "dry", "wry"], size=["small", "large"], pace=["slow", "fast"]),
    )
    _, approaches = in_force(document)
    assert len(approaches.design) == points_count(approaches.layout, approaches.layouts) == 12 + 1 + 6 + 3 + 1
    wide = tuple((f"d{number}", tuple("abcdefgh")) for number in range(12))
    assert points_count(wide, (Layout(1, wide),)) == 8**12 + 1


def test_one_row_of_before_moves_the_posterior_as_written_out_by_hand():
    """Before pace there was one warm row of reward 0; S = I, s2 = 1/2, mu = [1/2, 0, 0].

    x = [1, 1/√2, 0]: P^-1 x = x/4 as in two dimensions less, so m = [1/4, -1/(4√2), 0]: pace is untouched.
    """
    document = course(change(tone=["warm", "dry"]), change(tone=["warm", "dry"], pace=["slow", "fast"]))
    _, approaches = in_force(document)
    on = prior(approaches, sd=1.0, noise=0.5)
    beliefs = posteriors([rows.unpack(row(1, 2, 0, NEVER_STARTED))], on, Policy(), approaches)
    assert np.allclose(beliefs.root[0].T @ beliefs.whitened[0, :, 0], [1 / 4, -1 / (4 * 2**0.5), 0])


def test_a_prior_is_carried_to_a_wider_layout_exactly():
    """Old coefficients keep mean, precision and draws; new ones have the shipped scales around 0."""
    narrow, wide = dims(tone=["warm", "dry"]), course(change(tone=["warm", "dry", "wry"], pace=["a", "b"]))
    on = prior(narrow, mean=[0.6, 0.1], sd=[0.2, 0.1], population_sd=0.05)
    on = replace(on, layout=narrow.layout)
    carried = carry(on, in_force(wide).approaches)
    base = shipped(in_force(wide).approaches)
    assert carried.mean.tolist() == [0.6, 0.1, 0.0, 0.0]
    assert carried.precision[:2, :2].tolist() == on.precision.tolist()
    assert carried.precision[2:, 2:].tolist() == base.precision[2:, 2:].tolist()
    assert not carried.precision[:2, 2:].any()
    assert carried.mean_draws[:, :2].tolist() == on.mean_draws.tolist()
    assert carried.mean_draws[:, 2:].tolist() == base.mean_draws[:, 2:].tolist()
    assert (carried.version, carried.users, carried.noise) == (on.version, on.users, on.noise)


def effects_of(approaches, *, seed=3):
    """Random effects of pairs, levels and one task type, for own dimensions."""
    rng = np.random.default_rng(seed)
    p, versions = approaches.design.shape[1], 1 + POPULATION_DRAWS
    contrasts = approaches.pair_contrasts.shape[1]
    levels = rng.normal(size=(versions, len(LEVELS), p))
    tasks = rng.normal(size=(versions, 2, p))
    levels[:, 0], tasks[:, -1] = 0.0, 0.0
    theta = rng.normal(size=(versions, contrasts))
    return assembled(approaches, theta, (levels, tasks), np.array([11, ANY_OTHER_TASK]), own=True)


def test_effects_of_old_combinations_stay_and_new_options_and_dimensions_have_none():
    before = dims(tone=["warm", "dry", "wry"], pace=["slow", "fast"])
    on = replace(prior(before, effects=effects_of(before)), layout=before.layout)
    added = course(change(pace=["slow", "fast", "own"], size=["small", "large"], tone=["warm", "dry", "wry"]))
    _, now = in_force(added)
    carried = carry(on, now).effects
    context = Context(11, 2)
    old = on.effects.table(context).reshape(-1, 3, 2)
    new = carried.table(context).reshape(-1, 3, 2, 3)
    assert np.allclose(new[:, :2].mean(axis=2), old.transpose(0, 2, 1)), (
        "dimensions by name, in whatever order"
    )
    assert np.allclose(new[:, :, 0], new[:, :, 1]), "size adds nothing yet"
    assert np.allclose(carried.options(context)[:, 3:5], carried.options(context)[:, 3:4])
    history = rows.unpack(row(1, 1, 0, context=context) + row(2, 2, 0, context=context))
    assert np.allclose(carried.at(history)[1], new[0, 0, 0, 0])
    assert np.allclose(carried.at(history)[0], carried.levels[0, 2, 0] + carried.tasks[0, 0, 0])


def test_effects_of_the_contracts_dimensions_are_carried_from_their_table():
    """Their blob has a table of all combinations; narrowed by a dimension, its pairs are averaged away."""
    plain = PUBLISHED
    rng = np.random.default_rng(4)
    theta = rng.normal(size=(1 + POPULATION_DRAWS, 54))
    zeros = np.zeros((1 + POPULATION_DRAWS, len(LEVELS), 13)), np.zeros((1 + POPULATION_DRAWS, 1, 13))
    hashes = np.array([ANY_OTHER_TASK])
    on = prior(plain, effects=assembled(plain, theta, zeros, hashes, own=False))
    names = {each.name: list(each.options) for each in plain.dimensions}
    del names["complexity"]
    carried = carry(on, in_force(course(change(**names))).approaches).effects
    table = on.effects.table(Context()).reshape(-1, 4, 4, 4, 4)
    assert np.allclose(carried.table(Context()).reshape(-1, 4, 4, 4), table.mean(axis=3))
    assert carry(on, plain) is on


def test_what_is_removed_is_integrated_out():
    """S over tone and pace, correlated; without pace the precision of tone is 1 over its variance."""
    before = dims(tone=["warm", "dry"], pace=["slow", "fast"])
    covariance = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, 0.6], [0.1, 0.6, 1.5]])
    on = replace(prior(before), precision=np.linalg.inv(covariance), layout=before.layout)
    carried = carry(on, in_force(course(change(tone=["warm", "dry"]))).approaches)
    assert np.allclose(np.linalg.inv(carried.precision), covariance[:2, :2])


def test_a_prior_of_own_dimensions_is_read_from_its_blob_as_it_was_written():
    approaches = in_force(course(change(tone=["warm", "dry!", "wry"], pace=["slow", "fast"]))).approaches
    on = replace(prior(approaches, effects=effects_of(approaches)), layout=approaches.layout)
    back = carry(prior_wire.decode(prior_wire.encode(on)), approaches)
    assert (back.layout, back.mean.tolist()) == (on.layout, on.mean.tolist())
    assert back.effects.table(Context(11, 1)).tobytes() == on.effects.table(Context(11, 1)).tobytes()
    history = rows.unpack(row(1, 2, 3, context=Context(11, 1)) + row(2, 1, 7))
    assert back.effects.at(history).tobytes() == on.effects.at(history).tobytes()


def asks(count, history=None, **fields):
    nothing = rows.unpack(b"")
    return [
        Ask(nothing if history is None else history, Context(), nonce, **fields) for nonce in range(count)
    ]


@pytest.mark.parametrize("floor", [0.0, 1.0])
@pytest.mark.parametrize("control", [False, True])
def test_only_active_options_are_ever_chosen(floor, control):
    """By draws, by the floor, or as the population's default, which would be the paused one."""
    document = course(change(tone=["warm!", "dry", "wry?", "own"], pace=["slow", "fast"]))
    policy, approaches = in_force(document)
    on = prior(approaches, mean=[0.5, 0.3, 0.3, 0.0, 0.1])
    chosen = choose(asks(300, control=control), on, replace(policy, explore_floor=floor), approaches)
    options = {approaches.names(each.combination) for each in chosen}
    offered = {(tone, pace) for tone in ("dry", "own") for pace in ("slow", "fast")}
    assert options <= offered
    assert len(options) == 1 if control else len(options) == 4 or not floor
    assert all(0 < each.confidence <= 1 for each in chosen)


def test_a_dimension_with_one_option_left_is_sure_of_it():
    _, approaches = in_force(course(change(tone=["warm", "dry!"], pace=["slow", "fast"])))
    [chosen] = choose(asks(1), prior(approaches), Policy(), approaches)
    assert chosen.dimension_confidence[0] == 1.0


def test_a_lock_on_an_option_that_is_paused_waits_until_it_is_back():
    document = course(change(tone=["warm", "dry"], pace=["slow", "fast"]))
    paused = amended(document, change(tone=["warm!", "dry"], pace=["slow", "fast"]), 9)
    back = amended(paused, change(tone=["warm", "dry"], pace=["slow", "fast"]), 10)
    slot = in_force(document).approaches.slot(0)
    stated = [None] * slot + [Preference(0, locked=True, since_ms=START_MS)]
    for standing, options in ((document, {"warm"}), (paused, {"dry"}), (back, {"warm"})):
        policy, approaches = in_force(standing)
        preferences = approaches.stated(stated)
        chosen = choose(asks(50, preferences=preferences), shipped(approaches), policy, approaches)
        assert {approaches.names(each.combination)[0] for each in chosen} == options


def test_a_slot_that_another_dimension_takes_forgets_what_was_stated_for_the_one_before():
    changes = [change(**{f"d{number}": ["a", "b"]}) for number in range(12)]
    document = course(*changes)  # the contract's four have slots 0 to 3, d0 to d7 the rest, d8 slot 0 again
    slots = {place.dimension: number for number, place in enumerate(document.slots)}
    assert (slots["d7"], slots["d8"], slots["d11"]) == (11, 0, 3)
    _, approaches = in_force(document)
    taken = document.slots[3].since_ms
    for since_ms, expected in ((taken - 1, ()), (taken, (Preference(1, since_ms=taken),))):
        assert approaches.stated([None, None, None, Preference(1, since_ms=since_ms)]) == expected


# Any course


OPTIONS = ["a", "b", "c", "d"]
WEIGHTS = st.builds(
    lambda flow, completed: PolicyChange(weights=WeightsSaid(flow=flow, completed=completed)),
    st.sampled_from([0.1, 0.2, 0.4]),
    st.sampled_from([0.3, 0.6, 0.9]),
)


@st.composite
def dimension_changes(draw, document):
    """New dimensions: some that were, some that were not, their options grown and in any state."""
    ever = {name: list(options) for layout in document.layouts for name, options in layout.dimensions}
    names = draw(st.lists(st.sampled_from(["tone", "pace", "size"]), min_size=1, max_size=3, unique=True))
    said = {}
    for name in names:
        known = ever.get(name, [])
        count = draw(st.integers(max(2, len(known)), 4))
        marks = [draw(st.sampled_from(["", "", "!", "?"])) for _ in range(count)]
        marks[draw(st.integers(0, count - 1))] = ""
        said[name] = [option + mark for option, mark in zip(OPTIONS, marks, strict=False)]
    return change(**said)


SIGNALS = [NEVER_STARTED, COMPLETED, Signals(started=True, completed=True, flow_state=True)]


@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_whatever_was_changed_between_rows_the_decision_is_that_of_the_rows_under_the_last_policy(data):
    """The worker that followed every change, with rows as they arrived, decides as one that begins now, to
    the bit; and as the regression written out over the options' names, whatever their numbers were."""
    document, packed, names = first(Policy()), [], []
    for step in range(data.draw(st.integers(1, 5))):
        changed = data.draw(st.one_of(WEIGHTS, dimension_changes(document)))
        document = decode(encode(amended(document, changed, 1 + step)))
        policy, approaches = in_force(document)
        for _ in range(data.draw(st.integers(0, 3))):
            combination = int(data.draw(st.sampled_from(approaches.offered.tolist())))
            signals = data.draw(st.sampled_from(SIGNALS))
            packed.append(row(len(packed) + 1, policy.version, combination, signals))
            names.append((approaches.told(policy.version, combination), signals))
        choose(
            asks(1, rows.unpack(b"".join(packed))), carry(shipped(PUBLISHED), approaches), policy, approaches
        )

    arrived = rows.unpack(b"".join(data.draw(st.permutations(packed))))
    at_once = rows.unpack(b"".join(packed))
    policy, approaches = in_force(document)
    fresh_policy, fresh = anew(document)
    on, fresh_on = carry(shipped(PUBLISHED), approaches), carry(shipped(PUBLISHED), fresh)
    assert choose(asks(5, arrived), on, policy, approaches) == choose(
        asks(5, at_once), fresh_on, fresh_policy, fresh
    )
    if document.version > 1 and approaches.layouts:
        beliefs = posteriors([arrived], on, policy, approaches)
        mean = beliefs.root[0].T @ beliefs.whitened[0, :, 0]
        assert np.allclose(mean, by_names(names, on, policy, document))


def anew(document):
    """A worker that has just begun: nothing that was worked out before is there."""
    policies._approaches.cache_clear()
    return in_force(decode(encode(document)))


def by_names(names, on, policy, document):
    """The posterior mean by the normal equations, each row by the names of its options."""
    x = np.array([by_name(told, document) for told, _ in names]).reshape(len(names), len(on.mean))
    y = np.array([reward(signals, policy.weights) for _, signals in names])
    weights = policy.decay ** np.arange(len(names) - 1, -1, -1)
    precision = x.T @ (weights[:, None] * x) / on.noise + on.precision
    return np.linalg.solve(precision, x.T @ (weights * y) / on.noise + on.precision @ on.mean)


def by_name(told, document):
    """[1, contrasts of each dimension's option]; 0 where the row has none of the dimension."""
    columns = [[1.0]]
    for dimension in document.dimensions:
        contrasts = helmert(len(dimension.names))
        option = told.get(dimension.name)
        columns.append(contrasts[dimension.names.index(option)] if option else np.zeros(contrasts.shape[1]))
    return np.concatenate(columns)


def test_a_prior_is_fitted_to_rows_of_every_layout_and_decides_after_its_blob():
    """Sixty users liked the dry tone before there was a pace, and the slow pace after."""
    document = course(
        change(tone=["warm", "dry"]), change(tone=["warm", "dry", "wry!"], pace=["slow", "fast"])
    )
    policy, approaches = in_force(document)
    rng = np.random.default_rng(6)
    histories = []
    for _ in range(60):
        tones, both = rng.integers(0, 2, 8), rng.choice(approaches.offered, 8)
        packed = [
            row(n, 2, int(tone), COMPLETED if tone else NEVER_STARTED) for n, tone in enumerate(tones, 1)
        ]
        for n, combination in enumerate(both.tolist(), 9):
            liked = approaches.names(combination) == ("dry", "slow")
            packed.append(
                row(n, 3, combination, COMPLETED if liked else NEVER_STARTED, context=Context(11, 2))
            )
        histories.append(rows.unpack(b"".join(packed)))
    current = carry(shipped(PUBLISHED), approaches)
    fitted = fit(histories, current, policy, approaches, np.random.default_rng(1))
    assert fitted.better
    assert (fitted.prior.rows, fitted.prior.layout) == (60 * 16, approaches.layout)
    assert fitted.prior.effects is not None, "dry and slow go together: that is a pair"
    back = carry(prior_wire.decode(prior_wire.encode(fitted.prior)), approaches)
    decided = replace(policy, explore_floor=0.0)
    assert choose(asks(40), back, decided, approaches) == choose(asks(40), fitted.prior, decided, approaches)
    chosen = [approaches.names(each.combination) for each in choose(asks(40), back, decided, approaches)]
    assert chosen.count(("dry", "slow")) >= 36
    wider = amended(document, change(tone=["warm", "dry", "wry"], pace=["slow", "fast"], size=["s", "l"]), 9)
    _, now = in_force(wider)
    moved = choose(asks(40, rows.unpack(b"")), carry(back, now), decided, now)
    assert sum(now.names(each.combination)[1] == "slow" for each in moved) >= 30


def test_more_combinations_than_a_row_can_carry_are_refused_before_they_are_made():
    """Of 16 options in each of four dimensions only a few are active, but rows may speak of all 65,536."""
    wide = {f"d{number}": [f"o{option}" + "?" * (option > 1) for option in range(16)] for number in range(4)}
    with pytest.raises(InvalidParameter, match="65,536 combinations"):
        course(change(**wide))
    monstrous = {
        f"d{number}": [f"o{option}" + "?" * (option > 1) for option in range(64)] for number in range(12)
    }
    with pytest.raises(InvalidParameter, match="65,536 combinations"):
        course(change(**monstrous))
    del wide["d3"]
    assert in_force(course(change(**wide))).approaches.offered.size == 8
