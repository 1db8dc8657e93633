"""A backup restored where replicas must have every write: it is not restored before they have all of it."""

import threading

import pytest
from group import SECRET, group, until

from amp.backup.restoring import Watches, restore
from amp.backup.taking import take
from amp.exits import CommandFailed
from amp.settings import Settings
from amp.store import replicated
from amp.store.keys import RESTORING

UNWATCHED = Watches(lambda _: None, lambda _: None, lambda _: None)
KEYS = 300


@pytest.fixture
def pair():
    """A primary and a replica that are to be filled."""
    with group(1) as made:
        yield made


@pytest.fixture
def file(tmp_path):
    """A backup of another store."""
    with group() as source, (tmp_path / "b").open("wb") as opened:
        source.primary.ask.mset({f"key-{number}": "x" * 1000 for number in range(KEYS)})
        settings = Settings(data=tmp_path / "source", redis=source.primary.url, secret=SECRET)
        take(settings, opened, with_secret=True, watch=lambda _: None)
    return tmp_path / "b"


@pytest.fixture
def restored(file, pair, tmp_path):
    def run(acks=1):
        settings = Settings(data=tmp_path / "data", redis=pair.primary.url, secret=SECRET, ack_replicas=acks)
        return restore(file, settings, force=False, aside="old", watches=UNWATCHED)

    return run


def test_a_restore_has_ended_when_the_replica_has_every_key(restored, pair):
    done = []
    replica = pair.replicas[0].ask
    with pair.paused(*pair.replicas):
        thread = threading.Thread(target=lambda: done.append((restored(), replica.dbsize())))
        thread.start()
        until(lambda: pair.primary.ask.dbsize() == KEYS + 1, "every key is copied, and the mark stands")
        thread.join(1)
        assert not done
        assert pair.primary.ask.exists(RESTORING), "nobody serves from it before"
    thread.join(20)
    assert [keys for _, keys in done] == [KEYS]


def test_replicas_that_do_not_get_on_are_named_and_the_same_command_goes_on(restored, pair, monkeypatch):
    pair.heard()
    with monkeypatch.context() as patched, pair.paused(*pair.replicas):
        patched.setattr(replicated, "STANDSTILL_S", 0.5)
        with pytest.raises(CommandFailed, match="0 of 1 replicas have what"):
            restored()
    assert pair.primary.ask.exists(RESTORING)
    assert restored().keys == KEYS
    assert pair.replicas[0].ask.dbsize() == KEYS


def test_a_store_with_too_few_replicas_is_refused_before_a_key_is_written(restored, pair):
    with pytest.raises(CommandFailed, match=r"has 1 replicas, and AMP_ACK_REPLICAS asks for 2\."):
        restored(acks=2)
    assert pair.primary.ask.dbsize() == 0


def test_without_acknowledgements_nobody_is_waited_for(restored, pair):
    with pair.paused(*pair.replicas):
        assert restored(acks=0).keys == KEYS
