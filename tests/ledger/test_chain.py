"""Whatever is changed, left out, moved or put in between is found, and the first bad entry is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.ledger.chain import EMPTY, Break, Head, Stored, close, follow, verify

ENTRIES = st.lists(
    st.tuples(st.binary(max_size=20), st.binary(min_size=1, max_size=9)), min_size=1, max_size=8
)


def chained(pairs):
    link, found = EMPTY.link, []
    for position, (entry, side) in enumerate(pairs, 1):
        link = follow(link, entry, side)
        found.append(Stored(position, entry, side, link))
    return found


@given(ENTRIES)
def test_a_chain_that_nobody_touched_is_whole(pairs):
    run = chained(pairs)
    assert verify(run) == Head(len(run), run[-1].link)
    assert close(verify(run), Head(len(run), run[-1].link)) is None


@given(ENTRIES, st.data())
def test_a_chain_may_be_walked_in_runs(pairs, data):
    run = chained(pairs)
    cut = data.draw(st.integers(0, len(run)))
    first = verify(run[:cut])
    assert verify(run[cut:], first) == verify(run)


@given(ENTRIES, st.data())
def test_a_flipped_bit_is_found_where_it_is(pairs, data):
    run = chained(pairs)
    at = data.draw(st.integers(0, len(run) - 1))
    field = data.draw(st.sampled_from(["entry", "side", "link"]))
    value = getattr(run[at], field)
    if not value:
        return
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    flipped = (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(len(value), "big")
    run[at] = run[at]._replace(**{field: flipped})
    assert verify(run).position == at + 1


@given(ENTRIES, st.data())
def test_an_entry_that_is_taken_out_is_missed(pairs, data):
    run = chained(pairs)
    head = verify(run)
    at = data.draw(st.integers(0, len(run) - 1))
    wrong = close(verify(run[:at] + run[at + 1 :]), head)
    assert wrong.position == at + 1
    assert "missing" in wrong.reason


@given(ENTRIES, st.data())
def test_entries_that_change_places_are_found(pairs, data):
    run = chained(pairs)
    at = data.draw(st.integers(0, len(run) - 1))
    moved = [*run[:at], *(each._replace(position=each.position + 1) for each in run[at:])]
    moved.insert(at, run[at])
    assert isinstance(verify(moved), Break)


def test_a_head_that_tells_of_another_end_is_found():
    run = chained([(b"a", b"\0")])
    assert close(verify(run), Head(1, b"\1" * 20)).position == 1
    assert close(verify([]), Head(3, b"\1" * 20)) == Break(1, "is missing: the chain's head is at 3")


@pytest.mark.parametrize(("a", "b"), [((b"ab", b"\0"), (b"a", b"b\0"))])
def test_an_entry_cannot_pass_a_byte_to_its_side_data(a, b):
    assert follow(EMPTY.link, *a) != follow(EMPTY.link, *b)
