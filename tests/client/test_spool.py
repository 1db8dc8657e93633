"""The file that reports wait in."""

import sqlite3
import subprocess
import sys
import threading

import pytest

from amp.client import spool as spool_module
from amp.client.entries import Entry
from amp.client.failures import Unexpected
from amp.client.spool import DELETE_AT, Spool
from amp.client.tally import Tally


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reports.spool"


@pytest.fixture
def opened(path):
    spools = []

    def open_one(**options):
        spools.append(Spool(options.pop("path", path), Tally(), **({"memory": 10} | options)))
        return spools[-1]

    yield open_one
    for spool in spools:
        spool.close()


def said(number):
    return {"request_id": f"req_{number:06}", "started": True, "metadata": {"n": number}}


def fill(spool, count, first=0):
    assert all(spool.put("outcome", said(number)) for number in range(first, first + count))


def test_what_is_put_is_taken_in_order_and_gone_once_it_is_settled(opened):
    spool = opened()
    fill(spool, 5)
    taken = spool.take(3)
    assert [b"req_%06d" % number in entry.body() for number, entry in enumerate(taken)] == [True] * 3
    assert (spool.count, spool.waiting, spool.empty) == (5, True, False)
    rest = spool.take(100)
    assert len(rest) == 2
    assert spool.take(100) == []
    spool.settle(taken + rest)
    assert (spool.count, spool.waiting, spool.empty) == (0, False, True)


def test_what_is_given_back_comes_first_again(opened):
    spool = opened()
    fill(spool, 4)
    taken = spool.take(2)
    spool.give_back(taken)
    assert [entry.id for entry in spool.take(4)] == [1, 2, 3, 4]


def test_the_next_process_finds_what_the_last_one_left(opened):
    first = opened()
    fill(first, 5)
    first.settle(first.take(2))
    first.close()
    assert [entry.id for entry in opened().take(9)] == [3, 4, 5]


def test_one_sends_for_all_and_the_next_when_it_ends(opened):
    first, second = opened(), opened()
    fill(first, 3)
    fill(second, 3)
    assert len(first.take(100)) == 6
    assert (second.waiting, second.take(100), second.empty) == (False, [], False)
    first.close()
    assert len(second.take(100)) == 6, "what was in hand is sent again: the server knows it"


def test_many_threads_put_while_others_take(opened):
    spool, arrived = opened(), []
    putting = [threading.Thread(target=fill, args=(spool, 400, 400 * number)) for number in range(3)]
    for thread in putting:
        thread.start()
    while any(thread.is_alive() for thread in putting) or spool.waiting:
        taken = spool.take(50)
        arrived += [entry.body() for entry in taken]
        spool.settle(taken)
        spool.tidy()
    assert len(arrived) == len(set(arrived)) == 1200
    assert spool.empty


def test_rows_are_deleted_in_bulk_and_a_reused_number_is_another_row(opened, path):
    spool = opened()
    fill(spool, DELETE_AT + 50)
    last = spool.take(DELETE_AT + 50)
    spool.settle(last[:50])
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM waiting").fetchone() == (DELETE_AT + 50,)
    other.close()
    spool.settle(last[50:])
    fill(spool, 2, first=7000)
    assert [b"req_00700" in entry.body() for entry in spool.take(9)] == [True, True]


def test_a_full_disk_leaves_memory_and_then_says_no(opened, caplog):
    spool = opened(size=80_000, memory=3)
    taken = [spool.put("outcome", said(number) | {"metadata": {"x": "y" * 900}}) for number in range(200)]
    assert taken.count(False) > 0
    room = taken.index(False)
    assert taken == [True] * room + [False] * (200 - room)
    assert "reports wait in memory" in caplog.text
    seen = []
    while batch := spool.take(100):
        seen += batch
        spool.settle(batch)
    assert len(seen) == room


def test_a_file_that_is_no_spool_is_left_alone_and_reports_wait_in_memory(opened, path, caplog):
    path.write_bytes(b"my thesis" * 1000)
    spool = opened(memory=2)
    assert [spool.put("outcome", said(number)) for number in range(3)] == [True, True, False]
    assert len(spool.take(9)) == 2
    assert path.read_bytes() == b"my thesis" * 1000
    assert "spool fails" in caplog.text


def test_what_cannot_be_deleted_now_is_deleted_with_the_next(opened, monkeypatch, caplog):
    spool = opened()
    fill(spool, DELETE_AT + 1)
    delete = spool._file.delete

    def locked(_):
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(spool._file, "delete", locked)
    spool.settle(spool.take(DELETE_AT))
    assert "database is locked" in caplog.text
    assert spool.count == 1, "what has arrived is not sent again"
    monkeypatch.setattr(spool._file, "delete", delete)
    spool.settle(spool.take(9))
    assert (spool.count, spool._file.rows(9)) == (0, 0)


def test_a_second_spool_of_a_process_leaves_the_first_ones_locks(opened, path):
    """Closing any handle of a file frees all locks of the process: another one would take away the WAL."""
    first, second = opened(), opened()
    fill(first, 1)
    fill(second, 1)
    script = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM waiting').fetchone()"
    )
    subprocess.run([sys.executable, "-c", script, path], check=True)
    assert path.with_name(path.name + "-wal").exists()
    fill(first, 1)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM waiting").fetchone() == (3,)
    other.close()


def test_its_files_are_for_their_owner_alone(opened, path):
    spool = opened()
    fill(spool, 1)
    [entry] = spool.take(1)
    spool.bury(entry, Unexpected("x"))
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert len(modes) == 5
    assert set(modes.values()) == {0o600}


def test_what_cannot_even_be_printed_is_buried(opened):
    class Odd:
        def __repr__(self):
            raise LookupError

    spool = opened()
    spool.bury(Entry("outcome", {"request_id": "req_a", "started": Odd()}), Unexpected("x"))
    assert "cannot be printed: LookupError" in spool.dead_letters.read_text()


def test_a_folder_that_is_not_there_is_said_and_hurts_nobody(opened, tmp_path, caplog):
    spool = opened(path=tmp_path / "nowhere" / "x.spool")
    assert spool.put("outcome", said(1))
    assert len(spool.take(9)) == 1
    assert "spool fails" in caplog.text


def test_a_row_that_nobody_wrote_is_buried_and_the_next_is_taken(opened, path):
    spool = opened()
    with sqlite3.connect(path) as other:
        other.execute("INSERT INTO waiting (n, entry) VALUES (1, x'0102'), (7, x'6201')")
    other.close()
    fill(spool, 1)
    assert [entry.id for entry in spool.take(9)] == [3]
    assert "no report" in spool.dead_letters.read_text()


class TestBlocks:
    """What an outage leaves is packed in blocks, and comes out of them as it went in."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch):
        monkeypatch.setattr(spool_module, "BLOCK", 8)
        monkeypatch.setattr(spool_module, "BLOCKS_AT", 20)
        monkeypatch.setattr(spool_module, "LOOK_EVERY_S", -1.0)

    def rows(self, path):
        with sqlite3.connect(path) as other:
            found = [n for (n,) in other.execute("SELECT n FROM waiting ORDER BY id")]
        other.close()
        return found

    def test_the_oldest_are_packed_and_the_order_stays(self, opened, path):
        spool = opened()
        fill(spool, 50)
        assert len(spool.take(0)) == 0
        spool.tidy()
        assert self.rows(path) == [8] * 5 + [1] * 10
        assert spool.count == 50
        seen = []
        while batch := spool.take(7):
            seen += [entry.body() for entry in batch]
            spool.settle(batch)
            assert spool.count == 50 - len(seen)
        assert [b"req_%06d" % number in body for number, body in enumerate(seen)] == [True] * 50
        assert spool.empty

    def test_a_block_of_which_some_have_arrived_is_sent_again_as_a_whole_by_the_next_process(self, opened):
        first = opened()
        fill(first, 50)
        first.tidy()
        first.settle(first.take(3))
        assert first.count == 47
        first.close()
        assert len(opened().take(100)) == 50

    def test_what_is_given_back_of_a_block_comes_first(self, opened):
        spool = opened()
        fill(spool, 50)
        spool.tidy()
        taken = spool.take(10)
        spool.give_back(taken[2:])
        spool.settle(taken[:2])
        assert [entry.body() for entry in spool.take(8)] == [entry.body() for entry in taken[2:]]

    def test_what_is_in_hand_is_not_packed(self, opened):
        spool = opened()
        fill(spool, 40)
        taken = spool.take(12)
        spool.tidy()
        spool.settle(taken)
        assert len(spool.take(100)) == 28

    def test_it_goes_on_after_the_file_was_empty(self, opened, path):
        spool = opened()
        for _ in range(3):
            fill(spool, 60)
            spool.tidy()
            spool.tidy()
            assert 8 in self.rows(path)
            while batch := spool.take(100):
                spool.settle(batch)
            spool._delete()


def test_what_waits_beside_the_file_is_settled_like_the_rest(opened):
    spool = opened()
    spool.settle([Entry("outcome", said(1))][:0])
    assert spool.close() == 0
    assert not spool.put("outcome", said(1)), "closed"
