"""What waits on disk comes back as it was said."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.client import calls, entries
from amp.errors import AmpError

IDS = st.one_of(
    st.binary(min_size=1, max_size=120).map(lambda raw: "req_" + entries._spelt(raw)),
    st.text(st.characters(codec="utf-8"), max_size=300),
    st.sampled_from(["req_", "req_abc=", "req_000=", "req_00==", "req_a+b/", "req_AB", "req_é", "x" * 2048]),
)
MAYBE = st.sampled_from([None, False, True, 0, 1, "yes"])
NUMBERS = st.one_of(
    st.none(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), st.just(0.29)
)


REPORTS = st.fixed_dictionaries(
    {
        "request_id": IDS,
        "started": st.sampled_from([True, False, 1, None]),
        "completed": MAYBE,
        "flow_state": MAYBE,
        "final": MAYBE,
        "time_to_start": NUMBERS,
        "satisfaction": NUMBERS,
        "step": st.sampled_from([None, 0, 7, 255, 256, -1, True, 1.5]),
        "metadata": st.sampled_from([None, {}, {"ticket": "A-7", "deep": [1, {"x": None}]}]),
    }
)


@given(fields=REPORTS)
def test_every_report_that_can_be_sent_is_sent_from_disk_as_it_would_have_been(fields):
    kind, body = entries.unpack(entries.pack("outcome", fields))
    assert kind == "outcome"
    told, meant = json.loads(body), json.loads(calls.outcome_body(fields))
    assert told == meant
    assert {name: type(value) is bool for name, value in told.items()} == {
        name: type(value) is bool for name, value in meant.items()
    }


@pytest.mark.parametrize(
    "bad", [{"satisfied": 1}, {"time_to_start": float("nan")}, {"metadata": {"x": object()}}]
)
def test_what_json_cannot_carry_is_refused_before_it_is_kept(bad):
    with pytest.raises((AmpError, TypeError)):
        entries.pack("outcome", {"request_id": "req_a", "started": True, **bad})


def test_an_ordinary_report_takes_eight_bytes_beside_its_id():
    raw = bytes(range(66))
    fields = {"request_id": "req_" + entries._spelt(raw), "started": True, "completed": True}
    packed = entries.pack("outcome", fields | {"time_to_start": 12.5, "satisfaction": 0.75})
    assert len(packed) == len(raw) + 8


def test_a_record_of_another_kind_is_kept_as_json():
    packed = entries.pack("metering", {"model": "m", "totalCost": 0.5})
    assert entries.unpack(packed) == ("metering", b'{"model":"m","totalCost":0.5}')


@pytest.mark.parametrize("packed", [b"", b"?x", b"\x80", b"\x81\x01\xff"])
def test_what_nobody_wrote_is_no_entry(packed):
    with pytest.raises(ValueError, match="no entry"):
        entries.unpack(packed)


@given(st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=50))
def test_a_block_gives_back_what_was_packed(packed):
    assert entries.unpack_row(entries.pack_block(packed)) == packed


def test_a_block_of_ordinary_reports_is_no_larger_than_their_ids():
    chance = random.Random(1)
    packed = []
    for number in range(500):
        request_id = "req_" + entries._spelt(b"\x20\x4e" + chance.randbytes(58))
        said = {"request_id": request_id, "started": True, "completed": number % 3 > 0, "satisfaction": 0.8}
        packed.append(entries.pack("outcome", said | {"time_to_start": chance.choice([5, 12.5, 60, 300])}))
    assert len(entries.pack_block(packed)) < 500 * 60, "the day that all ids begin with deflates"


@pytest.mark.parametrize("row", [b"b", b"b\x01\x00\x00", b"bxyzxyz"])
def test_what_nobody_packed_is_no_block(row):
    with pytest.raises(ValueError, match="no block"):
        entries.unpack_row(row)
