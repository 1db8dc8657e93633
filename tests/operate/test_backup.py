"""`amp backup` and `amp restore`: what comes back is what was there at one moment. On the real server."""

import asyncio
import json
import stat
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from full import JOBS, USERS, fill, load, meter, new_key, read, service

from amp.ledger import head_files
from amp.ledger.chain import Head
from amp.ledger.head_files import FOLDER, HeadFile
from amp.ledger.heads import key_of
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.keeper import opened


@pytest.fixture
def amp(run):
    """Runs a command beside the event loop, so that what is served meanwhile goes on."""

    async def amp(*arguments):
        return await asyncio.to_thread(run, *arguments)

    return amp


@pytest.fixture
def served(running, opener):
    """A service on a folder: `async with served(data) as (client, key)`; the key is made, or given."""

    @asynccontextmanager
    async def served(data, key=None):
        async with service(running, data) as (app, complete):
            key = key or await new_key(complete)
            yield opener(app, key), key

    return served


@pytest.mark.timeout(120)
async def test_what_is_restored_is_what_was_there_while_others_reported(
    amp, served, data, tmp_path, monkeypatch
):
    monkeypatch.setattr(head_files, "EVERY_S", 0.01)  # heads go to their file all the time
    file, restored = tmp_path / "backup.tar.gz", tmp_path / "restored"
    async with served(data) as (client, key):
        known = await fill(client)
        seen = await read(client, *known)
        open_id, told_id = await client.decided("u0"), await client.decided("u0")
        assert (await client.outcome(told_id, completed=True)).status_code == 200
        seen |= await read(client, *known)
        with load(client) as done:
            await done.many(20)
            before = list(done)
            taken = await amp("backup", file, "--data", data, "--json")
            during = len(done) - len(before)
            await done.many(20)
        late_id = await client.decided("u1")
        assert (taken.exit_code, during > 0) == (0, True), taken.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(taken.stdout)["manifest"]["durability"] == "always"

    drilled = await amp("restore", "--drill", file, "--json")
    told = json.loads(drilled.stdout)
    assert (drilled.exit_code, told["wrong"], told["found"]["files"]) == (0, [], 1), drilled.stderr
    assert told["found"]["users"] >= len(USERS) + 4
    assert told["found"]["ledgerEntries"] >= len(JOBS) + len(before)
    assert told["found"]["ledgerHeads"] > 0

    assert (await amp("restore", file, "--data", restored)).exit_code == 0
    verified = await amp("ledger", "verify", "--data", restored)
    assert verified.exit_code == 0, verified.stdout + verified.stderr
    async with served(restored, key) as (client, _):
        assert await read(client, *known) == seen
        for request, name in before:  # acknowledged before: there
            answer = await client.outcome(request, completed=True)
            assert (answer.status_code, answer.headers["Idempotent-Replay"]) == (200, "true")
            await meter(client, f"busy-{int(name.partition('-')[2]) % 5}", name)
        assert (await client.outcome(told_id, completed=False)).status_code == 409
        for request in (open_id, late_id):  # given before and after: both open
            answer = await client.outcome(request, completed=True)
            assert (answer.status_code, "Idempotent-Replay" in answer.headers) == (200, False)


@pytest.mark.timeout(120)
def test_commands_say_what_is_in_a_backup_and_what_to_do_next(run, data, tmp_path):
    """One course, for each command opens a store."""
    run("keys", "create", "--data", data)
    taken = run("backup", tmp_path, "--data", data)
    (file,) = tmp_path.glob("amp-*.tar.gz")
    for words in (file.name, "as of", "durability always", "keep the file like a password"):
        assert words in taken.stdout, taken.stdout
    assert f"Next: amp restore --drill {file}" in taken.stderr
    assert max(map(len, taken.stdout.splitlines()[1:])) <= 80
    refused = run("backup", file, "--data", data)
    assert (refused.exit_code, "is there already" in refused.stderr) == (1, True)
    assert run("backup", "--without-secret", tmp_path / "bare", "--data", data).exit_code == 0
    assert "not in it: keep it apart" in run("backup", "--check", tmp_path / "bare").stdout
    told = json.loads(run("backup", "--check", file, "--json").stdout)
    assert (told["manifest"]["keys"], told["manifest"]["parts"]) == (2, 2)

    drilled = run("restore", "--drill", file)
    assert (drilled.exit_code, "Nothing of the drill is left" in drilled.stderr) == (0, True)
    for words in ("API keys", "every chain holds", "sizes and SHA-256 agree"):
        assert words in drilled.stdout, drilled.stdout
    bare = run("restore", "--drill", tmp_path / "bare")
    assert (bare.exit_code, "Set AMP_SECRET" in bare.stderr) == (1, True)

    restored = run("restore", file, "--data", tmp_path / "new")
    assert (restored.exit_code, "Restored 2 keys as of" in restored.stdout) == (0, True), restored.stderr
    assert f"amp ledger verify --data {tmp_path / 'new'}" in restored.stderr
    again = run("restore", file, "--data", tmp_path / "new")
    assert (again.exit_code, "or move what is there" in again.stderr) == (1, True)
    forced = json.loads(run("restore", file, "--data", tmp_path / "new", "--force", "--json").stdout)
    assert [path.name for path in Path(forced["aside"]).iterdir()] == ["store"]  # its secret is the same
    assert "default" in run("keys", "list", "--data", tmp_path / "new").stdout


def test_a_drill_of_a_cut_backup_fails(run, data, tmp_path):
    run("keys", "create", "--data", data)
    run("backup", tmp_path / "b", "--data", data)
    (tmp_path / "b").write_bytes((tmp_path / "b").read_bytes()[:-20])
    for command in (("restore", "--drill"), ("backup", "--check")):
        ended = run(*command, tmp_path / "b")
        assert (ended.exit_code, "is cut: its end is missing" in ended.stderr) == (1, True)


@pytest.mark.timeout(120)
def test_a_drill_finds_what_a_whole_file_lacks(run, data, tmp_path):
    """Bytes of a file that the store knows, and a tail that was cut from the store before the backup."""
    with opened(Settings(data=data)) as complete:
        asyncio.run(_lacking(complete))
    run("backup", tmp_path / "b", "--data", data)
    drilled = run("restore", "--drill", tmp_path / "b", "--json")
    told = json.loads(drilled.stdout)
    assert drilled.exit_code == 1
    assert told["found"]["filesWithoutBytes"] == 1
    files, ledger = told["wrong"]
    assert files == "Files whose bytes are missing: 1; the first is file_a."
    assert ledger.startswith("The ledger is not what was written: the entry is missing: heads-0.log")
    assert "Keep it, and take another" in drilled.stderr


async def _lacking(complete):
    """A document without its file, and heads on file of entries that are gone."""
    store = connect(complete.redis)
    await store.ask("HSET", "{acme:test}:g:k:file:file_a", "v", 1, "d", "{}")
    heads = HeadFile(complete.data / FOLDER, key_of(complete.secret.encode()))
    heads.append({("acme:test", 5): Head(3, bytes(20))})
    heads.close()
    await store.close()
