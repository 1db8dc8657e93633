"""Whatever is reported, preferred and erased in whatever order: the store holds what a plain model holds."""

import asyncio
from types import SimpleNamespace
from unittest.mock import patch

import fakeredis
from fakeredis.commands_mixins import server_mixin
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from reports import COMPLETED, DAY_MS, HOUR_MS, NEVER, STARTED, TENANT, report

from amp.learning import rows
from amp.learning import store as learning_store
from amp.learning.store import LearningStore
from amp.store.connection import Store
from amp.store.functions import Functions

BEGIN_MS = 1_800_000_000_000


class User:
    """The model: what one user's facts should be."""

    def __init__(self):
        self.watermark = 0
        self.forget(0)

    def forget(self, now):
        self.watermark = now
        self.created = 0
        self.rows = {}
        self.preferences = {}

    def hear(self, said, decided, now):
        nonce, rank, print_ = said.row[:8], (said.row[24], said.row[25]), said.row[18:24]
        if known := self.rows.get(nonce):
            _, old_rank, old_print, _ = known
            if rank < old_rank or (rank == old_rank and print_ == old_print):
                return "replay"
            if rank == old_rank:
                return "conflict"
        if now - decided > DAY_MS or decided <= self.watermark:
            return "expired"
        after = max(0, now - decided).to_bytes(4, "little")
        self.rows[nonce] = (decided, rank, print_, said.row[:14] + after + said.row[18:])
        self.created = self.created or now
        return "replaced" if known else "new"

    def prefer(self, dimension, option, lock, now):
        self.created = self.created or now
        _, locked, _ = self.preferences.pop(dimension, (None, False, 0))
        if option is not None:
            self.preferences[dimension] = (option, lock == "on" or (lock == "keep" and locked), now)

    def history(self):
        ordered = sorted(self.rows.items(), key=lambda item: (item[1][0], int.from_bytes(item[0], "little")))
        return b"".join(row for _, (_, _, _, row) in ordered)


class Course(RuleBasedStateMachine):
    """One user, tokens decided now or earlier, a clock that moves by hours."""

    tokens = Bundle("tokens")
    said = Bundle("said")

    def __init__(self):
        super().__init__()
        self.now = BEGIN_MS
        clock = SimpleNamespace(time=lambda: self.now / 1000)
        self.patch = patch.object(server_mixin, "time", clock)
        self.patch.start()
        self.runner = asyncio.Runner()
        self.user = User()

    @initialize()
    def open(self):
        self.store = Store(fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer(version=(7,)), protocol=2))
        functions = Functions(self.store, [learning_store.LIBRARY])
        self.runner.run(functions.load())
        self.facts = LearningStore(self.store, functions, window_ms=DAY_MS, retention_ms=DAY_MS)

    def teardown(self):
        self.runner.run(self.store.close())
        self.runner.close()
        self.patch.stop()

    @rule(target=tokens, nonce=st.integers(1, 2**64 - 1), ago_ms=st.sampled_from([0, 0, 0, 1, 5 * HOUR_MS]))
    def decide(self, nonce, ago_ms):
        return nonce, self.now - ago_ms

    @rule(
        target=said,
        token=tokens,
        signals=st.sampled_from([NEVER, STARTED, COMPLETED]),
        final=st.booleans(),
        step=st.integers(0, 2),
    )
    def tell(self, token, signals, final, step):
        one = (report(*token, signals, final=final, step=step), token[1])
        self.deliver(one)
        return one

    @rule(one=said)
    def deliver(self, one):
        said, decided = one
        verdicts = self.runner.run(self.facts.report([said]))
        assert verdicts == [self.user.hear(said, decided, self.now)]

    @rule(
        dimension=st.integers(0, 11),
        option=st.one_of(st.none(), st.integers(0, 3)),
        lock=st.sampled_from(["keep", "on", "off"]),
    )
    def prefer(self, dimension, option, lock):
        change = {dimension: option}
        self.runner.run(
            self.facts.prefer(TENANT, "ada", alias=b"8 bytes.", changes=change, lock=lock, metadata={})
        )
        self.user.prefer(dimension, option, lock, self.now)

    @rule()
    def erase(self):
        self.runner.run(self.facts.erase(TENANT, "ada"))
        self.user.forget(self.now)

    @rule(hours=st.sampled_from([0.001, 1, 12, 30]))
    def wait(self, hours):
        self.now += int(hours * HOUR_MS)

    @invariant()
    def the_store_holds_what_the_model_holds(self):
        now, (record,) = self.runner.run(self.facts.read([(TENANT, "ada")]))
        assert now == self.now
        assert rows.unpack(record.rows).tobytes() == self.user.history()
        assert record.created_ms == self.user.created
        stated = {
            dimension: tuple(preference)
            for dimension, preference in enumerate(record.preferences)
            if preference is not None
        }
        assert stated == self.user.preferences


TestAnyCourse = Course.TestCase
TestAnyCourse.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
