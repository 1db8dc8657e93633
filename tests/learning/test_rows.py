"""A row holds one outcome in 48 bytes; what is read from it is what was reported."""

import re
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.learning import rows
from amp.learning.record import HEADER
from amp.learning.rows import ROW, ROW_BYTES, Decision, pack, unpack
from amp.learning.types import Signals

STARTED = Signals(started=True)
MS_MAX = 10**12  # 10^9 seconds, the longest time to start that is kept


def decision(nonce=1, decided_ms=1_800_000_000_000, **changes):
    given = {
        "combination": 7,
        "task_hash": 5,
        "level": 1,
        "hour": 3,
        "policy_version": 1,
        "prior_version": 2,
    }
    return Decision(nonce=nonce, decided_ms=decided_ms, **given | changes)


def packed(decided=None, signals=STARTED, *, final=True, step=0):
    return pack(decided or decision(), signals, fingerprint=b"finger", final=final, step=step)


signals = st.builds(
    Signals,
    started=st.booleans(),
    completed=st.none() | st.booleans(),
    time_to_start_ms=st.none() | st.integers(0, MS_MAX),
    flow_state=st.none() | st.booleans(),
    satisfaction=st.none()
    | st.integers(0, rows.SATISFACTION_SCALE).map(lambda n: n / rows.SATISFACTION_SCALE),
)


@given(signals)
def test_signals_are_read_as_they_were_reported_what_was_not_said_too(said):
    (row,) = unpack(packed(signals=said))
    assert rows.signals(row) == said


@given(st.floats(0, 1))
def test_satisfaction_is_kept_to_four_digits(share):
    (row,) = unpack(packed(signals=Signals(started=True, satisfaction=share)))
    assert rows.signals(row).satisfaction == pytest.approx(share, abs=0.5 / rows.SATISFACTION_SCALE)


def test_a_thousand_million_seconds_fit_to_the_millisecond():
    (row,) = unpack(packed(signals=Signals(started=True, time_to_start_ms=MS_MAX)))
    assert rows.start_ms(row) == MS_MAX


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**48 - 1),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.integers(0, 255),
)
def test_every_field_has_its_own_place(nonce, decided_ms, wide, final, step):
    decided = decision(
        nonce,
        decided_ms,
        task_hash=wide,
        prior_version=wide ^ 0xFFFFFFFF,
        policy_version=wide & 0xFFFF,
        combination=wide >> 16,
        level=wide & 3,
        hour=wide % 24,
    )
    history = unpack(packed(decided, final=final, step=step))
    assert rows.decided_ms(history).tolist() == [decided_ms]
    read = {name: history[name].tolist()[0] for name in ROW.names}
    assert read["nonce"] == nonce
    assert read["fingerprint"] == b"finger"
    assert (read["final"], read["step"], read["reported_after_ms"]) == (final, step, 0)
    assert (read["task_hash"], read["prior_version"]) == (wide, wide ^ 0xFFFFFFFF)
    assert (read["policy_version"], read["combination"]) == (wide & 0xFFFF, wide >> 16)
    assert (read["circumstance"], read["hour"]) == (wide & 3, wide % 24)


def test_each_circumstance_of_a_decision_is_a_bit_of_its_own():
    kinds = {
        "control": rows.CONTROL,
        "floored": rows.FLOORED,
        "explored": rows.EXPLORED,
        "degraded": rows.DEGRADED,
    }
    for kind, bit in kinds.items():
        history = unpack(packed(decision(level=3, **{kind: True})))
        assert history["circumstance"].tolist() == [3 | bit]
        assert rows.has(history, bit, "circumstance").all()
    assert len(set(kinds.values())) == 4


def test_a_row_has_48_bytes_and_so_has_a_header():
    assert ROW_BYTES == ROW.itemsize == len(packed()) == HEADER.size == 48


def test_rows_are_read_by_decided_time_and_nonce_whatever_the_order_of_arrival():
    keys = [(nonce, at) for at in (5, 2**33, 2**33 + 1) for nonce in (0, 1, 2**63, 2**64 - 1)]
    written = [packed(decision(nonce, at)) for nonce, at in keys]
    rng = np.random.default_rng(1)
    for _ in range(5):
        history = unpack(b"".join(rng.permutation(np.array(written, dtype="V48")).tolist()))
        assert list(zip(history["nonce"].tolist(), rows.decided_ms(history).tolist(), strict=True)) == keys


def test_a_decision_looks_at_the_newest_512_and_an_export_at_all():
    written = [packed(decision(number, number)) for number in range(575)]
    assert unpack(b"".join(written))["nonce"].tolist() == list(range(63, 575))
    assert rows.every(b"".join(written))["nonce"].tolist() == list(range(575))


def test_nobody_has_no_rows():
    assert unpack(None).size == unpack(b"").size == 0


@pytest.mark.parametrize("length", [1, 47, 49, 95])
def test_a_broken_length_is_an_error_and_not_a_shorter_history(length):
    with pytest.raises(ValueError, match="whole number of rows"):
        unpack((packed() * 2)[:length])


def test_a_task_type_has_one_name_and_none_is_zero():
    assert rows.task_hash("") == 0
    names = [rows.task_hash(f"type {number}") for number in range(1000)]
    assert 0 not in names
    assert len(set(names)) == 1000
    assert rows.task_hash("coding") == 3161554524, "rows that are stored carry it"


# What the store's functions read at fixed places


LUA = files("amp.learning").joinpath("store.lua").read_text()


def test_the_functions_read_each_field_where_the_row_has_it():
    """Every offset in the Lua source is one of these; Lua counts from 1."""
    place = {name: ROW.fields[name][1] + 1 for name in ROW.names}
    assert place["nonce"] == 1
    reads = {
        "nonce": [r"row:sub\(1, 8\)", r"number\(a, 5, 4\)", r"number\(a, 1, 4\)"],
        "decided_low": [rf"number\(row, {place['decided_low']}, 6\)"],
        "reported_after_ms": [
            (
                rf"row:sub\(1, {place['reported_after_ms'] - 1}\) \.\. bytes\(math\.min.*, 4\)"
                rf" \.\. row:sub\({place['fingerprint']}\)"
            ),
        ],
        "fingerprint": [rf"new:sub\({place['fingerprint']}, {place['final'] - 1}\)"],
        "final": [
            rf"old:byte\({place['final']}\) \* 256 \+ old:byte\({place['step']}\)",
            rf"new:byte\({place['final']}\) \* 256 \+ new:byte\({place['step']}\)",
        ],
        "task_hash": [rf"number\(row, {place['task_hash']}, 4\)"],
        "start_low": [rf"number\(row, {place['start_low']}, 5\)"],
        "signals": [rf"signals, hour, task = row:byte\({place['signals']}\), row:byte\({place['hour']}\)"],
    }
    for field, patterns in reads.items():
        for pattern in patterns:
            assert re.search(pattern, LUA), f"store.lua reads {field} elsewhere"
    assert place["decided_high"] == place["decided_low"] + 4
    assert place["start_high"] == place["start_low"] + 4


def test_the_functions_test_the_same_bits_of_the_signals():
    for bit, test in [
        (rows.STARTED, "signals % 2 == 1"),
        (rows.COMPLETED, "signals % 8 >= 4"),
        (rows.FLOW, "signals % 32 >= 16"),
        (rows.START_TIME_SAID, "signals % 64 >= 32"),
    ]:
        assert test in LUA
        assert all(in_lua(test, signals) == bool(signals & bit) for signals in range(128))


def in_lua(test, signals):
    """What such a test says; `%`, `==` and `>=` mean the same in Python."""
    return eval(test, {"signals": signals})


def test_the_functions_sizes_are_ours():
    assert re.search(rf"SIZE = {ROW_BYTES}\b", LUA)
    assert re.search(rf"KEPT, BLOCK = {rows.KEPT_ROWS}, 64\b", LUA)
