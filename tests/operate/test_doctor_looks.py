"""What `amp doctor` says of a folder, of keys, of a machine and of a port, each well and each in trouble."""

import re
import socket
import threading

import msgspec
import pytest

from amp.clock import now_ms
from amp.doctor import folder, keys, machine, service
from amp.settings import Settings
from amp.store.keyring import KeyRecord
from amp.store.keys import KEYRING
from amp.store.trust_keys import KEYS_USED

SECRET = "an operator's secret of enough length"
DAY_MS = 86_400_000


# The data folder, the secret, amp.toml


def folder_of(settings, file=None, log_bytes=0):
    return {each.name: each for each in folder.findings(settings, file, log_bytes=log_bytes)}


@pytest.fixture
def kept(data):
    data.mkdir(mode=0o700)
    (data / "secret").write_text("s" * 64)
    (data / "secret").chmod(0o600)
    return data


def test_a_folder_of_ours_alone_is_ok(kept):
    found = folder_of(Settings(data=kept))
    assert {found[name].status for name in ("folder", "secret", "amp.toml")} == {"ok"}
    assert "64 characters" in found["secret"].found


@pytest.mark.parametrize(
    ("content", "mode", "says"), [("s" * 64, 0o640, "read by others"), ("short", 0o600, "has 5 characters")]
)
def test_a_secret_that_others_read_or_that_is_short_fails(kept, content, mode, says):
    (kept / "secret").write_text(content)
    (kept / "secret").chmod(mode)
    found = folder_of(Settings(data=kept))["secret"]
    assert (found.status, says in found.found, "s" * 64 in found.found) == ("fail", True, False)


def test_a_secret_of_the_environment_that_is_not_the_folders_is_told(kept):
    assert folder_of(Settings(data=kept, secret="s" * 64))["secret"].status == "ok"
    assert folder_of(Settings(data=kept, secret="t" * 64))["secret"].status == "warn"
    assert folder_of(Settings(data=kept, secret="t" * 64, redis="redis://there"))["secret"].status == "ok"


@pytest.mark.parametrize(
    ("text", "mode", "status"),
    [
        (f'secret = "{SECRET}"', 0o644, "fail"),
        ('redis = "redis://me:hidden@store"', 0o640, "fail"),
        ('llm_api_key = "k"', 0o604, "fail"),
        (f'secret = "{SECRET}"', 0o600, "ok"),
        ("port = 1", 0o644, "ok"),
    ],
)
def test_a_settings_file_with_secrets_is_for_nobody_else(kept, tmp_path, text, mode, status):
    file = tmp_path / "amp.toml"
    file.write_text(text)
    file.chmod(mode)
    found = folder_of(Settings(data=kept), file)["amp.toml"]
    assert found.status == status
    assert not {SECRET, "hidden"} & set(re.split(r"[\s:@\"]", found.found))


def test_disk_room_is_measured_against_the_log_that_has_to_fit_again(kept, monkeypatch):
    cases = ((100 << 20, 0, "fail"), (1 << 30, 0, "warn"), (3 << 30, 0, "ok"), (3 << 30, 4 << 30, "warn"))
    for free, log_bytes, status in cases:
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: (1 << 40, 0, free))
        assert folder_of(Settings(data=kept), None, log_bytes)["disk room"].status == status


# Keys


def record(key_id, *, days=0, **more):
    now = now_ms()
    return KeyRecord(key_id, "acme", "live", ("read",), now - days * DAY_MS, **more)


@pytest.mark.parametrize(
    ("records", "used", "expected"),
    [
        ([], {}, {"keys": "warn"}),
        ([record("a")], {}, {}),
        ([record("a", days=400)], {"a": 1}, {"key age": "warn"}),
        ([record("a", expires_ms=now_ms() + 13 * DAY_MS)], {}, {"keys expiring": "warn"}),
        ([record("a", expires_ms=now_ms() + 15 * DAY_MS)], {}, {}),
        ([record("a", days=31)], {}, {"keys unused": "unknown"}),
        ([record("a", days=31)], {"b": 1}, {"keys unused": "warn"}),
        ([record("a", days=60)], {"a": 40}, {"keys unused": "warn"}),
        ([record("a", days=29)], {"b": 1}, {}),
        ([record("a", days=400, revoked_ms=1), record("b")], {}, {}),
        ([record("a", days=400, expires_ms=1)], {}, {"keys": "warn"}),
    ],
)
async def test_keys_that_somebody_should_look_at_are_named(store, records, used, expected):
    """`used` is how many days ago."""
    for number, each in enumerate(records):
        await store.ask("HSET", KEYRING, str(number), msgspec.json.encode(each))
    for key_id, days in used.items():
        await store.ask("HSET", KEYS_USED, key_id, now_ms() - days * DAY_MS)
    found = {each.name: each for each in await keys.findings(store, now_ms=now_ms())}
    assert {name: each.status for name, each in found.items() if each.status != "ok"} == expected
    for name in expected.keys() - {"keys"}:
        if found[name].status == "warn":
            assert "a (acme, live)" in found[name].found


async def test_keys_that_ended_are_counted(store, keyring):
    made = [
        await keyring.create(tenant="acme", env=env, scopes=("read",), expires_ms=None)
        for env in ("live", "test")
    ]
    await keyring.revoke(made[0][1].id)
    found = {each.name: each.found for each in await keys.findings(store, now_ms=now_ms())}
    assert found["keys"] == "1 in force, 0 of them for live data; 1 revoked and 0 expired, refused everywhere"


# Machine and service


def test_a_store_elsewhere_leaves_its_machine_unknown():
    assert {each.status for each in machine.of_store("redis://store.example:6379/0", None)} == {"unknown"}
    assert machine.is_here("unix:///run/x.sock")
    assert machine.is_here("redis://127.0.0.1:6379/0")


@pytest.mark.parametrize(("text", "status"), [("1\n", "ok"), ("0\n", "warn"), ("2\n", "warn")])
def test_overcommit_is_read_where_it_stands(tmp_path, text, status):
    (tmp_path / "overcommit").write_text(text)
    assert machine._overcommit(tmp_path / "overcommit").status == status
    assert machine._overcommit(tmp_path / "nothing").status == "unknown"


@pytest.mark.parametrize(
    ("text", "config", "status"),
    [
        ("always [madvise] never", {}, "ok"),
        ("[always] madvise never", {}, "warn"),
        ("[always] madvise never", {"disable-thp": "yes"}, "ok"),
    ],
)
def test_huge_pages_matter_unless_the_store_turns_them_off(tmp_path, text, config, status):
    (tmp_path / "enabled").write_text(text)
    assert machine._huge_pages(tmp_path / "enabled", config).status == status


class Listener:
    """Something that is not amp: it says these words to whoever connects, or nothing."""

    def __init__(self, words):
        self._words = words
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _serve(self):
        kept = []
        try:
            while True:
                connection, _ = self._socket.accept()
                kept.append(connection)
                if self._words is not None:
                    connection.recv(1000)
                    connection.sendall(self._words)
                    connection.close()
        except OSError:
            for each in kept:
                each.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nhello", "taken by something else"),
        (b"HTTP/1.0 404 No\r\n\r\n[1]", "taken by something else"),
        (b"220 mail\r\n", "taken by something else"),
        (None, "does not answer within"),
    ],
)
def test_a_port_that_somebody_else_has_is_no_service(words, says, monkeypatch):
    monkeypatch.setattr(service, "WITHIN_S", 0.3)
    with Listener(words) as listener:
        (found,) = service.findings(Settings(port=listener.port), here=False)
    assert (found.status, says in found.found) == ("fail", True), found


def test_a_service_of_another_release_that_is_not_ready_is_told():
    ready = {
        "status": "not ready",
        "checks": [{"name": "eviction", "ok": False, "found": "lru", "fix": "Mend."}],
    }
    assert service._readiness(ready) == ("ready", "fail", "/readyz is red: eviction: lru", "Mend.")
    assert service._release({"info": {"version": "0.0.1"}}).status == "warn"
    assert service._release({}).status == "unknown"
    assert {each.status for each in service.findings(Settings(port=0), here=True)} == {"unknown"}
