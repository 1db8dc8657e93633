"""The embedded store: one owner, nothing lost, nothing left behind. On the real server."""

import os
import signal
import socket
import stat
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from running import alive, until

from amp import settings
from amp.exits import SettingsRefused, StoreMissing
from amp.store import embedded, keeper
from amp.store.embedded import ask, find_server, launch, ready
from amp.store.folder import DataFolder
from amp.store.keeper import opened


@pytest.fixture
def chosen(data):
    return replace(settings.Settings(), data=data)


def listens(complete):
    return Path(complete.redis.removeprefix("unix://"))


def store_pid(data):
    return int((data / "store.lock").read_text())


@contextmanager
def in_a_thread(chosen, said):
    """A second lasting owner-to-be: an event for "usable", and its settings once it is."""
    usable, leave, found = threading.Event(), threading.Event(), []

    def run():
        with opened(chosen, lasting=True, say=said.append) as complete:
            found.append(complete)
            usable.set()
            leave.wait()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield usable, found
    finally:
        leave.set()
        thread.join()


def test_a_path_that_may_only_be_read_is_not_listened_on(data, monkeypatch):
    """As /tmp is to a service that systemd lets write to its data folder alone."""
    folder = DataFolder(data)
    first = folder.socket()
    assert folder.socket() == first
    monkeypatch.setattr(os, "access", lambda *_: False)
    second = folder.socket()
    assert second.parent != first.parent
    for each in (first, second):
        each.parent.rmdir()


def test_it_listens_on_a_private_socket_only_writes_before_it_answers_and_never_evicts(chosen):
    with opened(chosen) as complete:
        at = listens(complete)
        assert ask(at, "PING") == "+PONG"
        assert stat.S_IMODE(at.stat().st_mode) == 0o700
        assert stat.S_IMODE(at.parent.stat().st_mode) == 0o700
        assert len(os.fsencode(at)) <= 103
        for name, value in [("port", "0"), ("appendonly", "yes"), ("appendfsync", "always"), ("save", "")]:
            assert configured(at, name) == value
        assert configured(at, "maxmemory-policy") == "noeviction"
    with opened(replace(chosen, durability="everysec")) as complete:
        assert configured(listens(complete), "appendfsync") == "everysec"


def configured(at, name):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(at))
        connection.sendall(f"CONFIG GET {name}\r\n".encode())
        return connection.recv(4096).decode().split("\r\n")[4]


def test_data_survives_a_stop_and_nothing_of_the_store_is_left_running(chosen, data):
    with opened(chosen) as first:
        ask(listens(first), "SET kept yes")
        pid = store_pid(data)
    assert not alive(pid)
    assert not listens(first).parent.exists()
    with opened(chosen) as second:
        assert ask(listens(second), "STRLEN kept") == ":3"
        assert second.redis == first.redis
        assert second.secret == first.secret


def test_a_killed_store_is_back_on_the_same_socket_with_its_data(chosen, data):
    said = []
    with opened(chosen, lasting=True, say=said.append) as complete:
        ask(listens(complete), "SET kept yes")
        killed = store_pid(data)
        os.kill(killed, signal.SIGKILL)
        until(lambda: store_pid(data) != killed and ready(listens(complete)))
        assert ask(listens(complete), "STRLEN kept") == ":3"
    assert any("ended (exit code -9); starting it again" in words for words in said)


def test_who_comes_second_uses_the_store_of_a_lasting_owner(chosen, data):
    with opened(chosen, lasting=True) as owner:
        pid = store_pid(data)
        with opened(chosen) as second:
            assert second.redis == owner.redis
            assert second.secret == owner.secret
        assert store_pid(data) == pid
        assert ready(listens(owner))


def test_a_brief_owner_is_waited_for_because_its_store_is_about_to_vanish(chosen, data):
    with ExitStack() as later:
        with opened(chosen) as brief:
            pid = store_pid(data)
            usable, found = later.enter_context(in_a_thread(chosen, []))
            assert not usable.wait(0.3)
            assert ready(listens(brief))
        assert usable.wait(5)
        assert store_pid(data) != pid
        assert ready(listens(found[0]))


def test_a_second_lasting_process_takes_the_store_over_when_the_owner_ends(chosen):
    said = []
    with ExitStack() as later:
        with opened(chosen, lasting=True) as owner:
            ask(listens(owner), "SET kept yes")
            usable, found = later.enter_context(in_a_thread(chosen, said))
            assert usable.wait(5)
        until(lambda: ready(listens(found[0])))
        assert found[0].redis == owner.redis
        assert ask(listens(owner), "STRLEN kept") == ":3"
    assert any("taking it over" in words for words in said)


def test_the_orphan_of_a_killed_owner_is_ended_before_another_store_opens_its_log(chosen, data, monkeypatch):
    # as on a system that cannot bind a process to its parent's life
    monkeypatch.setattr(embedded, "_DIE_WITH_PARENT", "import os, sys; os.execv(sys.argv[2], sys.argv[2:])")
    folder = DataFolder(data)
    folder.secret()
    at = folder.socket()
    assert folder.store_lock.take()
    orphan = launch(find_server(), folder, at, "always")
    until(lambda: ready(at))
    ask(at, "SET kept yes")
    folder.store_lock.give_back()
    reaper = threading.Thread(target=orphan.wait)
    reaper.start()
    try:
        with opened(chosen) as complete:
            assert orphan.returncode == 0
            assert store_pid(data) != orphan.pid
            assert ask(listens(complete), "STRLEN kept") == ":3"
    finally:
        orphan.kill()
        reaper.join()


def test_an_orphan_that_does_not_end_is_named_and_its_log_left_alone(chosen, data, monkeypatch):
    monkeypatch.setattr(keeper, "_CLAIM_S", 0.2)
    folder = DataFolder(data)
    assert folder.store_lock.take()
    folder.store_lock.sign("4711")
    with pytest.raises(StoreMissing, match=r"process 4711.* still writes to"), opened(chosen):
        pytest.fail("two stores on one log")
    folder.leave()


def test_a_damaged_log_is_a_clear_refusal_with_the_stores_own_words(chosen, data):
    with opened(chosen) as complete:
        ask(listens(complete), "SET kept yes")
    log = next((data / "store" / "appendonlydir").glob("*.incr.aof"))
    log.write_bytes(b"*3\r\n$3\r\nSET" + bytes(100) + log.read_bytes())
    with pytest.raises(StoreMissing, match=r"(?s)does not start.*Bad file format"), opened(chosen):
        pytest.fail("started on a damaged log")
    assert not listens(complete).parent.exists()


def test_a_folder_that_cannot_be_written_to_is_refused_with_the_fix(chosen, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsRefused, match=r"cannot be written to .*--data or AMP_DATA"):
        DataFolder(tmp_path / "file" / "data")


def test_the_secret_is_ours_alone_and_its_loss_is_not_papered_over(chosen, data):
    with opened(chosen) as complete:
        assert len(complete.secret) >= settings.SECRET_LENGTH_MIN
    assert stat.S_IMODE((data / "secret").stat().st_mode) == 0o600
    (data / "secret").unlink()
    with pytest.raises(SettingsRefused, match="Put it back from a backup, or set AMP_SECRET"), opened(chosen):
        pytest.fail("a new secret would lock every key out")
    with opened(replace(chosen, secret=complete.secret)) as again:
        assert again.secret == complete.secret


def test_a_socket_path_that_others_can_enter_is_not_used_again(data):
    folder = DataFolder(data)
    first = folder.socket()
    assert folder.socket() == first
    first.parent.chmod(0o755)
    second = folder.socket()
    assert second != first
    for used in (first, second):
        used.parent.rmdir()


def test_a_long_temporary_path_does_not_make_a_socket_that_cannot_be_bound(data, tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    at = DataFolder(data).socket()
    assert len(os.fsencode(at)) <= 103
    assert list(deep.iterdir()) == []
    at.parent.rmdir()


def script(folder, name, version):
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0'\n")
    file.chmod(0o755)
    return file


def test_without_the_wheel_the_first_server_on_path_that_is_new_enough_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin:/usr/bin")
    script(tmp_path / "bin", "valkey-server", "6.2.5")
    new = script(tmp_path / "bin", "redis-server", "7.0.15")
    assert find_server() == (new, f"Redis 7.0.15 ({new})")


def test_without_any_server_the_refusal_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    script(tmp_path / "bin", "redis-server", "6.2.14")
    with pytest.raises(StoreMissing, match=r"Redis 6\.2\.14 .* too old\. .*pip install 'amp\[embedded\]'"):
        find_server()
