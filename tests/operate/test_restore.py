"""Where a backup may go: into an empty folder, whole or not at all, under the secret it was made with."""

import os
import signal
import subprocess
import sys

import pytest
from filled import OTHER, UNWATCHED, content, fill, with_store
from running import environment

from amp.backup import restoring, taking
from amp.backup.restoring import restore
from amp.backup.taking import take
from amp.exits import CommandFailed
from amp.settings import Settings
from amp.store import placing
from amp.store.keeper import opened


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A backup that carries its secret, one that does not, and what is in both."""
    at = tmp_path_factory.mktemp("made")
    data = at / "data"
    with opened(Settings(data=data), lasting=True) as complete:
        with_store(complete.redis, fill)
        for name, raw in (("files/acme.test/file_gone", b"deleted"), ("ledger/heads-0.log", b"")):
            (data / name).parent.mkdir(parents=True)
            (data / name).write_bytes(raw)
        for name, carried in (("with", True), ("without", False)):
            with (at / name).open("wb") as file:
                take(Settings(data=data), file, with_secret=carried, watch=lambda _: None)
        return at, with_store(complete.redis, content), complete.secret


@pytest.fixture
def backup(made):
    return made[0] / "with"


@pytest.fixture
def bare(made):
    """A backup without its secret."""
    return made[0] / "without"


@pytest.fixture
def there(made):
    return made[1]


def restored(file, force=False, aside="old", **settings):
    return restore(file, Settings(**settings), force=force, aside=aside, watches=UNWATCHED)


def kept(data, secret=None):
    """What a service finds in a folder."""
    with opened(Settings(data=data, secret=secret)) as complete:
        return with_store(complete.redis, content)


def listed(folder):
    """Every file under a folder with its content; what the store appends to as well."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {"owner.lock", "store.lock"}
    }


# Into a folder


def test_a_folder_gets_every_key_as_it_was_and_the_secret(backup, there, data, made):
    told = restored(backup, data=data)
    assert (told.keys, told.unknown_files, told.aside) == (len(there), 1, None)
    assert kept(data) == there
    assert kept(data) == there  # from its own log
    assert (data / "secret").read_text() == made[2]
    names = {"owner.lock", "secret", "socket", "store", "store.lock", "store.log"}
    assert {path.name for path in data.iterdir()} == names


def test_a_folder_that_holds_something_is_refused_and_with_force_moved_aside(backup, there, data):
    with opened(Settings(data=data)) as complete:
        with_store(complete.redis, lambda store: store.ask("SET", "old", "1"))
    (data / "ledger").mkdir()
    (data / "ledger/heads-0.log").write_bytes(b"old")
    before, secret = listed(data), (data / "secret").read_text()
    with pytest.raises(CommandFailed, match="holds secret, ledger, store"):
        restored(backup, data=data)
    assert listed(data) == before
    assert restored(backup, data=data, force=True).aside == data / "old"
    assert kept(data) == there
    assert (data / "old/secret").read_text() == secret
    (data / "old").replace(data.parent / "old")
    assert set(kept(data.parent / "old")) == {b"old"}


def test_a_folder_in_use_is_refused_with_or_without_force(backup, data):
    with opened(Settings(data=data), lasting=True) as complete:
        for force in (False, True):
            with pytest.raises(CommandFailed, match=f"is in use .process {os.getpid()}"):
                restored(backup, data=data, force=force)
        assert with_store(complete.redis, lambda store: store.ask("PING")) == b"PONG"


def test_a_damaged_file_leaves_no_trace(backup, data, tmp_path):
    raw = backup.read_bytes()
    (tmp_path / "b").write_bytes(raw[: len(raw) - 9])
    with pytest.raises(CommandFailed, match="is cut"):
        restored(tmp_path / "b", data=data)
    assert not data.exists()
    data.mkdir()
    with pytest.raises(CommandFailed, match="is cut"):
        restored(tmp_path / "b", data=data)
    assert listed(data) == {}
    assert not (data / placing.NEW).exists()


def test_a_snapshot_that_no_server_reads_leaves_no_trace(data, tmp_path, backup, monkeypatch):
    monkeypatch.setattr(taking.Replica, "snapshot", lambda _: iter([b"REDIS9999\xfe\x00\xfb\x01\x00rest"]))
    with opened(Settings(data=tmp_path / "from"), lasting=True), (tmp_path / "b").open("wb") as file:
        take(Settings(data=tmp_path / "from"), file, with_secret=True, watch=lambda _: None)
    with pytest.raises(CommandFailed, match="cannot load the backup's store"):
        restored(tmp_path / "b", data=data)
    assert not data.exists()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, CommandFailed, OSError])
def test_an_interrupted_restore_leaves_the_folder_as_it_was(backup, data, monkeypatch, failure):
    with opened(Settings(data=data)) as complete:
        with_store(complete.redis, lambda store: store.ask("SET", "old", "1"))
    before = listed(data)

    def fail(_):
        raise failure("now")

    monkeypatch.setattr(restoring, "to_log", fail)
    with pytest.raises(failure):
        restored(backup, data=data, force=True)
    assert listed(data) == before


MOVES = 6
"""Of a restore with force: the note that says so, three aside, two in."""


@pytest.mark.parametrize("moves", range(MOVES + 1))
def test_a_restore_that_is_killed_between_two_moves_is_ended_by_who_comes_next(backup, there, data, moves):
    with opened(Settings(data=data)) as complete:
        with_store(complete.redis, lambda store: store.ask("SET", "old", "1"))
    (data / "ledger").mkdir()
    (data / "ledger/heads-0.log").write_bytes(b"old")
    before = listed(data)
    killed_at_move(moves, backup, data)
    if moves == 0:  # nothing was said yet
        assert listed(data).items() >= before.items()
        assert set(kept(data)) == {b"old"}
    else:
        assert kept(data) == there
        assert set(listed(data / "old")) >= {"secret", "ledger/heads-0.log"}
    assert not (data / placing.NEW).exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from amp.backup.restoring import Watches, restore
from amp.settings import Settings

file, data, moves = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
made, original = [], Path.replace

def replace(self, target):
    if len(made) == moves:
        os.kill(os.getpid(), signal.SIGKILL)
    made.append(target)
    return original(self, target)

Path.replace = replace
watches = Watches(*3 * [lambda _: None])
restore(file, Settings(data=data), force=True, aside="old", watches=watches)
assert len(made) == moves, made
"""


def killed_at_move(moves, file, data):
    """A restore in a process of its own, which dies as by kill -9 before that move."""
    command = [sys.executable, "-c", KILLED, file, data, moves]
    ended = subprocess.run([str(word) for word in command], env=environment(), check=False)
    assert ended.returncode == (-signal.SIGKILL if moves < MOVES else 0)


# Whose secret


def test_a_backup_without_its_secret_needs_the_one_that_the_service_had(bare, there, data, made):
    with pytest.raises(CommandFailed, match="does not carry its secret"):
        restored(bare, data=data)
    with pytest.raises(CommandFailed, match="AMP_SECRET is not the secret of this backup"):
        restored(bare, data=data, secret=OTHER)
    assert not data.exists()
    restored(bare, data=data, secret=made[2])
    assert not (data / "secret").exists()  # it was kept apart, and stays so
    assert kept(data, secret=made[2]) == there


def test_the_file_of_the_secret_may_be_put_into_the_folder_first(bare, there, data, made):
    data.mkdir()
    (data / "secret").write_text(made[2])
    assert restored(bare, data=data).aside is None
    assert kept(data) == there


def test_another_secret_is_taken_with_force(backup, there, data):
    restored(backup, data=data, secret=OTHER, force=True)
    assert kept(data, secret=OTHER) == there


def test_a_folder_with_another_secret_keeps_it(backup, data):
    data.mkdir()
    (data / "secret").write_text(OTHER)
    with pytest.raises(CommandFailed, match="secret is not the secret of this backup"):
        restored(backup, data=data)
    assert listed(data) == {"secret": OTHER.encode()}
