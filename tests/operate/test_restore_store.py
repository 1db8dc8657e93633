"""A backup of a store that is somebody else's, and one restored into such a store."""

import socket
from urllib.parse import urlsplit

import pytest
from filled import KEYS, OTHER, SECRET, UNWATCHED, content, fill, with_store

from amp.backup import restoring
from amp.backup.restoring import restore
from amp.backup.taking import take
from amp.errors import StoreUnavailable
from amp.exits import CommandFailed
from amp.settings import Settings
from amp.store import moving, readiness
from amp.store.connection import Store
from amp.store.keys import KEYRING, RESTORING
from amp.store.snapshot import SnapshotRefused, replica


@pytest.fixture
def url(real_url):
    """A store with something in it, and something of others' in another database."""
    with_store(f"{real_url}?db=3", fill)
    with_store(real_url, lambda store: store.ask_all([("CONFIG", "SET", *each) for each in QUICK]))
    with_store(f"{real_url}?db=7", lambda store: store.ask("SET", "of-others", "1"))
    yield f"{real_url}?db=3"
    with_store(real_url, lambda store: store.ask_all([("CONFIG", "SET", *each) for each in QUICK]))


QUICK = [("repl-diskless-sync-delay", "0"), ("repl-diskless-sync", "yes"), ("rdb-key-save-delay", "0")]


def backed_up(url, data, file):
    with file.open("wb") as opened:
        return take(
            Settings(data=data, redis=url, secret=SECRET), opened, with_secret=True, watch=lambda _: None
        )


def restored(file, data, url=None, secret=SECRET, *, force=False):
    settings = Settings(data=data, redis=url, secret=secret)
    return restore(file, settings, force=force, aside="old", watches=UNWATCHED)


@pytest.fixture
def file(url, tmp_path):
    """A backup of the store."""
    backed_up(url, tmp_path / "data", tmp_path / "b")
    return tmp_path / "b"


@pytest.fixture
def empty(real_url):
    return f"{real_url}?db=5"


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_a_store_is_backed_up_as_its_settings_have_it_sent(url, tmp_path, diskless):
    with_store(url, lambda store: store.ask("CONFIG", "SET", "repl-diskless-sync", diskless))
    told = backed_up(url, tmp_path / "data", tmp_path / "b")
    assert (told.keys, told.database, told.has_secret) == (KEYS + 8, 3, False)
    there = with_store(url, content)
    assert restored(tmp_path / "b", tmp_path / "restored").keys == len(there)
    from amp.store.keeper import opened

    with opened(Settings(data=tmp_path / "restored", secret=SECRET)) as complete:
        assert with_store(complete.redis, content) == there
        assert with_store(f"{complete.redis}?db=7", lambda store: store.ask("DBSIZE")) == 0


def test_an_empty_store_gets_every_key_with_its_time_and_the_folder_beside_it(url, empty, tmp_path):
    heads = tmp_path / "data/ledger/heads-0.log"
    heads.parent.mkdir(parents=True)
    heads.write_bytes(b"a head\n")
    backed_up(url, tmp_path / "data", tmp_path / "b")
    there = with_store(url, content)
    assert restored(tmp_path / "b", tmp_path / "other", empty).keys == len(there)
    assert with_store(empty, content) == there
    assert (tmp_path / "other/ledger/heads-0.log").read_bytes() == b"a head\n"
    assert not (tmp_path / "other/secret").exists()
    with pytest.raises(CommandFailed, match="holds ledger"):
        restored(tmp_path / "b", tmp_path / "other", empty)


def test_a_store_that_holds_something_is_refused_with_or_without_force(file, url, tmp_path):
    before = with_store(url, content)
    for force in (False, True):
        with pytest.raises(CommandFailed, match=f"The store holds {len(before)} keys"):
            restored(file, tmp_path / "other", url, force=force)
    assert with_store(url, content) == before
    assert not (tmp_path / "other").exists()


def test_another_secret_is_refused_before_a_key_is_written(file, empty, tmp_path):
    with pytest.raises(CommandFailed, match="AMP_SECRET is not the secret of this backup"):
        restored(file, tmp_path / "other", empty, OTHER)
    assert with_store(empty, content) == {}
    assert restored(file, tmp_path / "other", empty, OTHER, force=True).keys


@pytest.mark.parametrize("failure", [KeyboardInterrupt, StoreUnavailable])
def test_an_interrupted_restore_leaves_the_store_empty(file, empty, tmp_path, monkeypatch, failure):
    def fail(_):
        raise failure

    keys = []

    async def ask_each(self, commands, original=Store.ask_each):
        keys.extend(command for command in commands if command[0] == "RESTORE")
        if len(keys) > 30 and commands[0][0] == "RESTORE":
            await original(self, commands)
            raise failure
        return await original(self, commands)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "ask_each", ask_each)
        with pytest.raises(failure):
            restored(file, tmp_path / "other", empty)
    assert keys
    assert with_store(empty, content) == {}
    assert not (tmp_path / "other").exists()


def test_a_killed_restore_is_seen_and_may_be_done_again(file, url, empty, tmp_path, monkeypatch):
    async def left(*_):
        """As kill -9 would leave it."""

    async def copied(source, target, keys, original=moving._copy):
        if KEYRING in keys:
            raise StoreUnavailable
        return await original(source, target, keys)

    with monkeypatch.context() as patched:
        patched.setattr(moving, "_clear", left)
        patched.setattr(moving, "_copy", copied)
        with pytest.raises(StoreUnavailable):
            restored(file, tmp_path / "other", empty)
    half = with_store(empty, content)
    assert RESTORING in half
    assert KEYRING not in half  # nobody can call
    checks = {check.name: check for check in with_store(empty, readiness.check)}
    assert (checks["restore"].ok, checks["restore"].fix) == (False, "Run the same amp restore again.")
    backed_up(url, tmp_path / "data", tmp_path / "another")
    with pytest.raises(CommandFailed, match="of another backup into this store was killed"):
        restored(tmp_path / "another", tmp_path / "other", empty)
    assert with_store(empty, content) == half
    restored(file, tmp_path / "other", empty)
    assert with_store(empty, content) == with_store(url, content)
    assert "restore" not in {check.name for check in with_store(empty, readiness.check)}


def test_a_store_is_not_ready_before_the_folder_beside_it_is(file, url, empty, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(restoring, "place", full)
        with pytest.raises(CommandFailed, match=r"No space left on device\. Mend that"):
            restored(file, tmp_path / "other", empty)
    assert "restore" in {check.name for check in with_store(empty, readiness.check)}
    restored(file, tmp_path / "other", empty)
    assert "restore" not in {check.name for check in with_store(empty, readiness.check)}
    assert with_store(empty, content) == with_store(url, content)


# What is not sent


def test_a_store_that_does_not_send_its_content_is_refused_with_what_to_do(url, tmp_path):
    rule = ("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all", "-sync", "-psync")
    with_store(url, lambda store: store.ask(*rule))
    limited = url.replace("unix://", "unix://limited@") + "&password=pw"
    with pytest.raises(SnapshotRefused, match=r"NOPERM.*Use the host's own snapshots"):
        backed_up(limited, tmp_path / "data", tmp_path / "b")
    with_store(url, lambda store: store.ask("ACL", "DELUSER", "limited"))


def test_a_replica_is_refused_for_it_may_be_behind_the_heads(url, tmp_path):
    with_store(url, lambda store: store.ask("REPLICAOF", "127.0.0.1", 1))
    try:
        with pytest.raises(CommandFailed, match="is a replica: it may be behind"):
            backed_up(url, tmp_path / "data", tmp_path / "b")
    finally:
        with_store(url, lambda store: store.ask("REPLICAOF", "NO", "ONE"))


@pytest.mark.parametrize("scheme", ["redis+sentinel", "redis+cluster"])
def test_what_is_no_single_server_is_refused(scheme):
    with (
        pytest.raises(SnapshotRefused, match="A backup is of one server"),
        replica(f"{scheme}://host/service"),
    ):
        pass


def test_a_snapshot_that_was_begun_for_somebody_else_before_is_not_taken(url, tmp_path):
    """Its keys would be older than the heads that were read before ours."""
    slow = [("CONFIG", "SET", "repl-diskless-sync", "no"), ("CONFIG", "SET", "rdb-key-save-delay", "2000")]
    with_store(url, lambda store: store.ask_all(slow))
    with replica(url) as ours, socket.socket(socket.AF_UNIX) as other:
        other.connect(urlsplit(url).path)
        other.sendall(b"SYNC\r\n")  # as replicas did that know nothing of sockets: the next may share theirs
        while ours.info()["rdb_bgsave_in_progress"] == "0":
            pass
        ours.ask("SELECT", 3)
        ours.ask("SET", "late", "here now")
        ours.at_rest()
        assert b"here now" in b"".join(ours.snapshot())
