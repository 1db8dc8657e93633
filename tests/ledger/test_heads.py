"""Where chains ended is on file, each line authenticated; trouble with the file is no request's."""

import asyncio
import errno
import os
import stat

import pytest
from calls import COMPLETIONS, TENANT, completion
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from amp.app import create
from amp.ledger import head_files
from amp.ledger.alarm import Alarm
from amp.ledger.chain import EMPTY, Head
from amp.ledger.head_files import FOLDER, HeadFile, Heads, evidence
from amp.ledger.heads import FIRST, Evidence, key_of, line, mac_of, read
from amp.observe import HEAD_ERRORS
from amp.settings import Settings

SECRET = "a secret of the tests, long enough for keys"
KEY = key_of(SECRET.encode())
HEADS = st.dictionaries(
    st.tuples(st.sampled_from(["acme:test", "other:live"]), st.integers(0, 255)),
    st.builds(Head, st.integers(1, 2**40), st.binary(min_size=20, max_size=20)),
    min_size=1,
    max_size=4,
)
FILES = st.lists(HEADS, min_size=1, max_size=6)


def written(files, key=KEY):
    """Lines as a worker writes them."""
    lines, after = [], FIRST
    for at_ms, heads in enumerate(files):
        lines.append(line(key, after, at_ms, heads))
        after = mac_of(lines[-1])
    return lines


def head(length, byte=b"x"):
    return Head(length, byte * 20)


@hypothesis(deadline=None)
@given(FILES)
def test_lines_say_what_was_written(files):
    found = [
        {(tag, bucket): Head(*told) for tag, of in each.heads.items() for bucket, told in of.items()}
        for each in read(KEY, written(files))
    ]
    assert found == files


@hypothesis(deadline=None)
@given(FILES, st.data())
def test_an_altered_bit_is_found_in_its_line(files, data):
    lines = written(files)
    at = data.draw(st.integers(0, len(lines) - 1))
    bit = data.draw(st.integers(0, 8 * (len(lines[at]) - 1) - 1))
    flipped = (int.from_bytes(lines[at], "big") ^ 1 << (bit + 8)).to_bytes(len(lines[at]), "big")
    lines[at] = flipped
    assert list(read(KEY, lines))[at] is None


@hypothesis(deadline=None)
@given(st.lists(HEADS, min_size=2, max_size=6, unique_by=str), st.data())
def test_a_line_that_was_taken_out_is_missed_and_later_ones_still_hold(files, data):
    lines = written(files)
    at = data.draw(st.integers(0, len(lines) - 2))
    found = list(read(KEY, [*lines[:at], *lines[at + 1 :]]))
    assert [number for number, each in enumerate(found) if each is None] == [at]


def test_a_line_under_another_secret_does_not_hold():
    lines = written([{("acme:test", 1): head(1)}], key_of(b"another"))
    found = Evidence()
    found.add("heads-0.log", read(KEY, lines))
    assert (found.unheld, found.lines, found.of("acme:test", 1)) == ([("heads-0.log", 1)], 0, [])


def test_a_line_that_is_still_being_written_says_nothing():
    (whole,) = written([{("acme:test", 1): head(1)}])
    assert list(read(KEY, [whole[:-1]])) == []


def recorded(folder, bucket=1):
    return [each.head.length for each in evidence(folder, KEY).of("acme:test", bucket)]


def test_a_file_goes_on_where_the_last_worker_left_it(tmp_path):
    folder = tmp_path / "ledger"
    for length in (1, 2, 3):
        file = HeadFile(folder, KEY)
        file.append({("acme:test", 1): head(length)})
        file.close()
    assert [each.name for each in folder.iterdir()] == ["heads-0.log"]
    assert recorded(folder) == [1, 2, 3]
    assert evidence(folder, KEY).unheld == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "heads-0.log").stat().st_mode) == 0o600


def test_workers_have_a_file_each(tmp_path):
    one, other = HeadFile(tmp_path, KEY), HeadFile(tmp_path, KEY)
    one.append({("acme:test", 1): head(1)})
    other.append({("acme:test", 1): head(2)})
    one.append({("acme:test", 1): head(3)})
    assert sorted(each.name for each in tmp_path.iterdir()) == ["heads-0.log", "heads-1.log"]
    assert recorded(tmp_path) == [1, 2, 3]
    one.close()
    other.close()


def test_an_unfinished_line_is_taken_off_and_no_other(tmp_path):
    file = HeadFile(tmp_path, KEY)
    file.append({("acme:test", 1): head(1)})
    file.close()
    with (tmp_path / "heads-0.log").open("ab") as opened:
        opened.write(b"0123")
    file = HeadFile(tmp_path, KEY)
    file.append({("acme:test", 1): head(2)})
    file.close()
    assert (recorded(tmp_path), evidence(tmp_path, KEY).unheld) == ([1, 2], [])


def test_a_full_file_is_left_for_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(head_files, "FULL_BYTES", 300)
    file = HeadFile(tmp_path, KEY)
    for length in range(1, 9):
        file.append({("acme:test", 1): head(length)})
    file.close()
    assert len(list(tmp_path.iterdir())) > 2
    assert (recorded(tmp_path), evidence(tmp_path, KEY).unheld) == ([*range(1, 9)], [])


def test_foreign_words_stay_and_are_named(tmp_path):
    (tmp_path / "heads-0.log").write_bytes(b"nothing to see here\n")
    file = HeadFile(tmp_path, KEY)
    file.append({("acme:test", 1): head(1)})
    file.close()
    assert (tmp_path / "heads-0.log").read_bytes() == b"nothing to see here\n"
    assert (recorded(tmp_path), evidence(tmp_path, KEY).unheld) == ([1], [("heads-0.log", 1)])


def test_a_file_that_is_gone_is_made_again(tmp_path):
    file = HeadFile(tmp_path, KEY)
    file.append({("acme:test", 1): head(1)})
    (tmp_path / "heads-0.log").unlink()
    file.append({("acme:test", 1): head(2)})
    file.close()
    assert (recorded(tmp_path), evidence(tmp_path, KEY).unheld) == ([2], [])


def full_disk(after):
    """`os.write` on a disk that has room for so many bytes more."""
    write = os.write

    def some(file, raw):
        if not after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, raw[:after])

    return some


@pytest.mark.parametrize("room", [0, 1, 80])
async def test_a_full_disk_is_told_once_and_made_up_for(tmp_path, monkeypatch, caplog, room, any_store):
    alarm = Alarm(any_store)
    heads, before = Heads(tmp_path, KEY, alarm), HEAD_ERRORS._value.get()
    heads.heard(TENANT, 1, head(1))
    await heads.flush()
    with monkeypatch.context() as full:
        full.setattr(os, "write", full_disk(room))
        for length in (2, 3):
            heads.heard(TENANT, 1, head(length))
            await heads.flush()
    assert HEAD_ERRORS._value.get() - before == 2
    asked = Heads(tmp_path / "of another process", KEY, alarm)
    assert (await asked.state()).failing
    assert [each.getMessage() for each in caplog.records if "cannot be written" in each.getMessage()][
        1:
    ] == []
    assert "cannot be written" in caplog.text
    await heads.close()
    assert "again" in caplog.text
    assert (recorded(tmp_path), evidence(tmp_path, KEY).unheld) == ([1, 3], [])


async def test_only_what_has_changed_is_written_and_only_the_longest(tmp_path, any_store):
    heads = Heads(tmp_path, KEY, Alarm(any_store))
    for length in (2, 3, 1):
        heads.heard(TENANT, 1, head(length))
    await heads.flush()
    await heads.flush()
    heads.heard(TENANT, 2, head(1))
    await heads.close()
    found = evidence(tmp_path, KEY)
    assert (found.lines, recorded(tmp_path, 1), recorded(tmp_path, 2)) == (2, [3], [1])


async def test_a_write_that_is_broken_off_loses_no_head(tmp_path, monkeypatch, any_store):
    heads = Heads(tmp_path, KEY, Alarm(any_store))
    heads.heard(TENANT, 1, head(1))
    writing = asyncio.ensure_future(heads.flush())
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await heads.close()
    assert set(recorded(tmp_path)) == {1}


async def metered(client, job="job-1", **fields):
    body = completion(agenticJobId=job, transactionId=f"t-{job}", **fields)
    answer = await client.post(COMPLETIONS, json=body)
    assert answer.status_code == 201, answer.text


@pytest.fixture
def own_app(tmp_path, store):
    """The service with a data folder of its own."""
    return lambda data: create(Settings(secret=SECRET, data=tmp_path / data), store)


async def test_the_service_writes_heads_while_it_runs(running, caller, own_app, tmp_path, monkeypatch):
    written, append = asyncio.Event(), HeadFile.append
    loop = asyncio.get_running_loop()

    def told(file, heads):
        append(file, heads)
        loop.call_soon_threadsafe(written.set)

    monkeypatch.setattr(head_files, "EVERY_S", 0.01)
    monkeypatch.setattr(HeadFile, "append", told)
    app = own_app("data")
    async with running(app):
        await metered(await caller(on=app))
        await asyncio.wait_for(written.wait(), 10)
        assert evidence(tmp_path / "data" / FOLDER, KEY).lines == 1


async def test_the_last_heads_are_written_at_the_end(running, caller, own_app, tmp_path, facts):
    app = own_app("data")
    async with running(app):
        client = await caller(on=app)
        for job in ("job-1", "job-2"):
            await metered(client, job)
    found = evidence(tmp_path / "data" / FOLDER, KEY)
    ends = {number: head for number, head in enumerate(await facts.heads(TENANT)) if head != EMPTY}
    assert len(ends) == 2
    for bucket, end in ends.items():
        assert [each.head for each in found.of(TENANT.tag, bucket)] == [end]


async def test_no_request_fails_when_heads_cannot_be_written(running, caller, own_app, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    app = own_app("file")
    async with running(app):
        await metered(await caller(on=app))
    assert "cannot be written" in caplog.text
