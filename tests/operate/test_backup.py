"""`amp backup` and `amp restore`: what comes back is what was there at one moment. On the real server."""

import asyncio
import json
import stat
import tarfile

import pytest
from full import JOBS, USERS, fill, load, meter, new_key, read, service

from amp.ledger import head_files


@pytest.fixture
def amp(run):
    """Runs a command beside the event loop, so that what is served meanwhile goes on."""

    async def amp(*arguments):
        return await asyncio.to_thread(run, *arguments)

    return amp


@pytest.mark.timeout(120)
async def test_what_is_restored_is_what_was_there_while_others_reported(
    amp, running, opener, data, tmp_path, monkeypatch
):
    monkeypatch.setattr(head_files, "EVERY_S", 0.01)  # heads go to their file all the time
    file, restored = tmp_path / "backup.tar.gz", tmp_path / "restored"
    async with service(running, data) as (app, complete):
        key = await new_key(complete)
        client = opener(app, key)
        known = await fill(client)
        seen = await read(client, *known)
        open_id, told_id = await client.decided("u0"), await client.decided("u0")
        assert (await client.outcome(told_id, completed=True)).status_code == 200
        seen |= await read(client, *known)
        with load(client) as done:
            while len(done) < 20:
                await asyncio.sleep(0)
            before = list(done)
            taken = await amp("backup", file, "--data", data, "--json")
            during = len(done) - len(before)
            while len(done) < len(before) + during + 20:
                await asyncio.sleep(0)
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
    async with service(running, restored) as (app, _):
        client = opener(app, key)
        assert await read(client, *known) == seen
        for request, name in before:  # acknowledged before: there
            answer = await client.outcome(request, completed=True)
            assert (answer.status_code, answer.headers["Idempotent-Replay"]) == (200, "true")
            await meter(client, f"busy-{int(name.partition('-')[2]) % 5}", name)
        assert (await client.outcome(told_id, completed=False)).status_code == 409
        for request in (open_id, late_id):  # given before and after: both open
            answer = await client.outcome(request, completed=True)
            assert (answer.status_code, "Idempotent-Replay" in answer.headers) == (200, False)
