"""Whatever arrives in whatever order, how often and in how many stages: the decision is that of the set.

The store's own functions take the reports, and the decision is made on what they give back: rows of several
policies, more of them than are kept, read under a policy that came after them.
"""

import asyncio
from hashlib import blake2b
from types import SimpleNamespace

import fakeredis
import pytest
from fakeredis.commands_mixins import server_mixin
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import COMPLETED, DAY_MS, NEVER, STARTED, TENANT

from amp.learning import rows
from amp.learning import store as learning_store
from amp.learning.amend import DimensionSaid, PolicyChange, WeightsSaid, amended
from amp.learning.approaches import PUBLISHED
from amp.learning.carry import carry
from amp.learning.choice import choose
from amp.learning.dimensions import OptionSaid
from amp.learning.document import first
from amp.learning.policies import in_force
from amp.learning.prior import shipped
from amp.learning.store import LearningStore
from amp.learning.types import Ask, Context, Policy, Preference, Signals
from amp.learning.words import Report
from amp.store.connection import Store
from amp.store.functions import Functions

NOW_MS = 1_800_000_000_000
KEPT, BLOCK = 16, 8
LIBRARY = learning_store.LIBRARY.replace(
    "local KEPT, BLOCK = 512, 64", f"local KEPT, BLOCK = {KEPT}, {BLOCK}"
)
SIGNALS = [NEVER, STARTED, COMPLETED, Signals(True, True, 2500), Signals(True, False, 10**9, None, 0.3)]
RANKS = [(False, 0), (False, 1), (False, 3), (True, 0), (True, 2)]
SHIPPED = shipped(PUBLISHED)


def options(*names, paused=()):
    return [OptionSaid(name, "paused" if name in paused else "active") for name in names]


def course():
    """The policies of five versions: other weights, other dimensions, an option more and one paused."""
    changes = [
        PolicyChange(weights=WeightsSaid(flow=0.3, completed=0.4)),
        PolicyChange(dimensions=[DimensionSaid("tone", options("warm", "dry"))]),
        PolicyChange(
            dimensions=[
                DimensionSaid("tone", options("warm", "dry", "wry")),
                DimensionSaid("pace", options("slow", "fast")),
            ]
        ),
        PolicyChange(
            dimensions=[
                DimensionSaid("pace", options("slow", "fast")),
                DimensionSaid("tone", options("warm", "dry", "wry", "own", paused=("dry",))),
            ],
            weights=WeightsSaid(speed=0.05, completed=0.9),
        ),
    ]
    # a weight that no other test has: what is worked out for it is of histories of KEPT rows
    documents = [first(Policy(decay=0.953125, explore_floor=0.1))]
    for number, change in enumerate(changes, 1):
        documents.append(amended(documents[-1], change, number))
    return documents


RULED = [in_force(document) for document in course()]


@st.composite
def stages(draw, nonce):
    """The reports of one decision, each of a rank of its own: later ones know more."""
    policy, approaches = draw(st.sampled_from(RULED))
    decision = rows.Decision(
        nonce=nonce,
        decided_ms=NOW_MS - draw(st.integers(0, 5)) * 60_000,
        combination=int(draw(st.sampled_from(approaches.offered.tolist()))),
        task_hash=0,
        level=draw(st.integers(0, 3)),
        hour=0,
        policy_version=policy.version,
        prior_version=0,
    )
    ranks = draw(st.lists(st.sampled_from(RANKS), min_size=1, max_size=3, unique=True))
    told = []
    for rank in sorted(ranks):
        signals = draw(st.sampled_from(SIGNALS))
        print_ = blake2b(repr((rank, signals)).encode(), digest_size=6).digest()
        told.append(rows.pack(decision, signals, fingerprint=print_, final=rank[0], step=rank[1]))
    return told


async def stored(deliveries):
    """The rows that the store holds after these, each sent alone, by its own functions."""
    store = Store(fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(version=(7,)), protocol=2))
    functions = Functions(store, [LIBRARY])
    await functions.load()
    facts = LearningStore(store, functions, window_ms=DAY_MS, retention_ms=DAY_MS)
    verdicts = [
        verdict
        for row in deliveries
        for verdict in await facts.report([Report(TENANT, "ada", row, b"8 bytes.", "", b"")])
    ]
    assert set(verdicts) <= {"new", "replaced", "replay"}
    _, (record,) = await facts.read([(TENANT, "ada")])
    await store.close()
    return record.rows


def decided(packed):
    """What would be decided on these rows, under each of the last two policies."""
    history = rows.unpack(packed)
    assert len(history) <= KEPT
    return [
        choose(
            [
                Ask(history, Context(), nonce, (Preference(1), None) if nonce % 2 else ())
                for nonce in range(20)
            ],
            carry(SHIPPED, approaches),
            policy,
            approaches,
        )
        for policy, approaches in RULED[-2:]
    ]


@pytest.fixture
def _few_rows(monkeypatch):
    assert LIBRARY != learning_store.LIBRARY
    monkeypatch.setattr(rows, "KEPT_ROWS", KEPT)
    monkeypatch.setattr(server_mixin, "time", SimpleNamespace(time=lambda: NOW_MS / 1000))


@given(data=st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def any_order(data):
    numbers = data.draw(
        st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=KEPT + 2 * BLOCK, unique=True)
    )
    each = [data.draw(stages(number)) for number in numbers]
    said = [row for told in each for row in told]
    again = data.draw(st.lists(st.sampled_from(said), max_size=10))
    arrived = asyncio.run(stored(data.draw(st.permutations(said + again))))
    in_order = asyncio.run(stored(sorted(said, key=in_time)))
    alone = b"".join(told[-1] for told in each)
    assert decided(arrived) == decided(in_order) == decided(alone)


def in_time(row):
    """By decided time, nonce, and how much is known."""
    return int.from_bytes(row[8:14], "little"), int.from_bytes(row[:8], "little"), row[24], row[25]


@pytest.mark.usefixtures("_few_rows")
def test_the_decision_is_that_of_the_set_of_rows_whatever_came_when():
    """Any order, retries, stages that overtake each other, trims on the way: the same to the bit."""
    any_order()
