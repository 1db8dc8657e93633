"""Entries read back as they were written, and those of today stay readable."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.ledger import entries
from amp.ledger.entries import (
    Amendment,
    Before,
    Completion,
    Created,
    Metrics,
    Outcome,
    id_text,
    pack,
    packed_id,
    unpack,
)
from amp.ledger.side import read_side

SAMPLES = [
    (
        Created("j", 1, "k", "Job", "sales", "1", "prod", "a/b", "learned"),
        "9a01a16a01a16ba34a6f62a573616c6573a131a470726f64a3612f62a76c6561726e6564",
    ),
    (Metrics("j", 1, "k", "[]"), "9506a16a01a16ba25b5d"),
    (
        Outcome("j", 1, "k", "SUCCESS", None, 5, "USD", None, None, None, "me"),
        "9f04a16a01a16ba753554343455353c005a3555344c0c0c0a26d65c0c0c0",
    ),
]


@pytest.mark.parametrize(("entry", "stored"), SAMPLES)
def test_what_lies_in_the_store_stays_readable(entry, stored):
    """These bytes were written by the first version: a later one must read them as the same."""
    assert unpack(bytes.fromhex(stored)) == entry


def test_an_entry_without_fields_that_came_later_is_read_with_their_defaults():
    whole = Completion("j", 1, "k", packed_id("t"), 2, 3, "p", "m", 1, 2, 3, None, "USD", "")
    raw = entries._encoder.encode([2, *list(whole_values(whole))[:14]])
    assert unpack(raw) == whole


def test_a_text_that_was_damaged_is_an_entry_that_cannot_be_read():
    raw = pack(Created("job-1", 1, "k"))
    with pytest.raises(msgspec.DecodeError):
        unpack(raw.replace(b"job", b"\xffob"))


def whole_values(of):
    return (getattr(of, name) for name in of.__struct_fields__)


@given(st.text() | st.uuids().map(str) | st.uuids().map(lambda uuid: str(uuid).upper()))
def test_an_id_is_read_back_as_it_was_sent(text):
    assert id_text(packed_id(text)) == text


def test_a_uuid_takes_seventeen_bytes():
    assert len(packed_id("0b7f5a5c-9f0e-4a52-9d7c-6f6f0e6f2f11")) == 17


def test_side_data_is_read():
    assert read_side(b"\x17") == (23, {}, 0)
    side = read_side(b"\x25\x04S SUCCESS M:USD 3 M.USD 5")
    assert side.has(entries.BEFORE)
    assert not side.has(entries.MADE)
    assert side.before == {"S": "SUCCESS", "M:USD": "3", "M.USD": "5"}
    assert side.flags_before == entries.AGENT


def test_packing_is_what_is_hashed():
    assert pack(SAMPLES[1][0]).hex() == SAMPLES[1][1]


@given(st.integers(-(10**21), 10**21), st.integers(-(10**21), 10**21))
def test_an_amount_of_any_size_is_read_back(value, before):
    """A trillion units are more nanos than 64 bits hold."""
    stood = Before("SUCCESS", None, before, "USD")
    entry = Amendment("j", 1, "k", "FAILED", None, value, "USD", None, None, 2, "me", "why", stood)
    assert unpack(pack(entry)) == entry
    metered = Completion("j", 1, "k", packed_id("t"), 2, 3, "p", "m", 1, 2, 3, value, "USD", "")
    assert unpack(pack(metered)) == metered
