"""A log that was damaged on disk and heads that were forged are found, and the first bad entry is named."""

import asyncio

import pytest
from writing import Writing

from amp.cli import main
from amp.exits import CommandFailed
from amp.ledger.alarm import Alarm
from amp.ledger.head_files import FOLDER, Heads
from amp.ledger.heads import key_of
from amp.ledger.standing import Verifications
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.keeper import opened
from amp.store.ledger_keys import bucket_of, job_keys
from amp.tenancy import tenant
from amp.terminal import ledger_verify

OWNER = tenant("acme", "live")
COST = 0x4996_02D3  # 1.234567891 of a dollar, as four bytes that are found again
JOBS = [f"job-{number}" for number in range(12)]
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def chosen(tmp_path):
    return Settings(data=tmp_path / "data")


@pytest.fixture
def on_store(chosen):
    """Runs work on the folder's store, which is started for it and stopped again."""

    def run(work):
        async def whole(complete):
            store = connect(complete.redis)
            try:
                return await work(store, complete)
            finally:
                await store.close()

        with opened(chosen) as complete:
            return asyncio.run(whole(complete))

    return run


@pytest.fixture
def worked(on_store):
    """Twelve jobs with an outcome, the second one amended, and two records without a job; heads on file."""

    async def work(store, complete):
        jobs = Writing(store, OWNER)
        for name in JOBS:
            await jobs.create(name, type="sales", name="Outreach")
            await jobs.completion(name, COST, (812, 133), agent="ada")
            await jobs.tool(name, 5 * 10**8, human=True, environment="prod")
            await jobs.outcome(name, "SUCCESS", "CONVERTED", 300 * 10**9)
        await jobs.amend(JOBS[1], "FAILED")
        await jobs.completion("", COST)
        await jobs.tool("", None)
        await note_heads(store, complete, jobs)

    on_store(work)


async def note_heads(store, complete, jobs):
    """What the workers' followers do."""
    heads = Heads(complete.data / FOLDER, key_of(complete.secret.encode()), Alarm(store))
    for bucket, head in enumerate(await jobs.ledger.heads(OWNER)):
        if head.length:
            heads.heard(OWNER, bucket, head)
    await heads.close()


def log_of(chosen):
    """The part of the store's log that grows."""
    (found,) = (chosen.data / "store" / "appendonlydir").glob("*.incr.aof")
    return found


def verified(chosen):
    return ledger_verify.read(chosen, None, None)


def kept(on_store):
    """What the last walk has left for those who ask later."""
    return on_store(lambda store, _: Verifications(store).newest(OWNER))


def test_what_a_walk_finds_is_kept_for_those_who_ask_later(chosen, worked, on_store):
    assert kept(on_store) is None
    verified(chosen)
    whole = kept(on_store)
    assert (whole.whole, whole.entries, whole.jobs, whole.findings) == (True, 51, 12, [])
    file = chosen.data / FOLDER / "heads-0.log"
    raw = file.read_bytes()
    file.write_bytes(raw.replace(b"1", b"2", 1) if b"1" in raw[:64] else b"0" + raw[1:])
    verified(chosen)
    forged = kept(on_store)
    assert (forged.whole, forged.findings_in_all) == (False, 1)
    assert (forged.findings[0].bucket, "heads-0.log, line 1" in forged.findings[0].what) == (None, True)


def test_what_nobody_touched_is_whole(chosen, worked, capsys):
    seen = verified(chosen)
    (walked,) = seen.walked.values()
    assert (walked.entries, walked.jobs, walked.findings) == (51, 12, [])
    assert walked.heads == walked.chains > 1
    ledger_verify.as_table(seen)
    ledger_verify.judge(seen)
    shown = capsys.readouterr()
    assert ("acme:live" in shown.out, "Cannot be found" in shown.out) == (True, True)
    assert "51 entries are what was written" in shown.err


def test_a_cut_tail_is_found_by_the_heads_on_file_and_only_by_them(chosen, worked):
    log = log_of(chosen)
    raw = log.read_bytes()
    log.write_bytes(raw[: len(raw) * 2 // 3])
    seen = verified(chosen)
    (walked,) = seen.walked.values()
    assert walked.entries < 51
    assert walked.findings
    assert all("missing: heads-0.log has a head of" in each.what for each in walked.findings)
    with pytest.raises(CommandFailed, match=r"acme:live, bucket \d+, entry \d+-0: the entry is missing"):
        ledger_verify.judge(seen)
    (chosen.data / FOLDER / "heads-0.log").unlink()
    unknown = verified(chosen)
    assert unknown.findings == []
    assert "No head of acme:live is on file" in unknown.unseen[0]


def test_a_flipped_byte_of_an_amount_names_the_entry(chosen, worked, on_store):
    job = JOBS[7]

    async def find(store, _):
        entries = await Writing(store, OWNER).ledger.run(OWNER, bucket_of(job), 0, 100)
        amount = COST.to_bytes(4, "big")
        return next(each for each in entries if job.encode() in each.entry and amount in each.entry)

    entry = on_store(find)
    log = log_of(chosen)
    raw = bytearray(log.read_bytes())
    at = raw.index(entry.entry) + entry.entry.index(COST.to_bytes(4, "big")) + 3
    raw[at] ^= 1
    log.write_bytes(raw)
    (finding,) = verified(chosen).findings
    assert finding[:4] == (OWNER.tag, bucket_of(job), entry.position, job)
    assert "is not what was written" in finding.what


def test_a_forged_line_of_heads_is_found(chosen, worked):
    file = chosen.data / FOLDER / "heads-0.log"
    file.write_bytes(file.read_bytes() + file.read_bytes().replace(b"[4,", b"[3,"))
    (finding,) = verified(chosen).findings
    assert finding.what.startswith("heads-0.log, line 2: this line does not hold")


def test_the_command_names_what_is_wrong_and_ends_with_1(chosen, worked, on_store, capsys, monkeypatch):
    async def tamper(store, _):
        await store.ask("XDEL", job_keys(OWNER, JOBS[3]).entries, "2-0")

    on_store(tamper)
    command = ["amp", "ledger", "verify", "--tenant", "acme", "--env", "live", "--data", str(chosen.data)]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert ended.value.code == 1
    place = f"acme:live, bucket {bucket_of(JOBS[3])}, entry 2-0: the entry is missing"
    assert (place in shown.out, place in shown.err) == (True, True)
    monkeypatch.setattr("sys.argv", [*command, "--json"])
    with pytest.raises(SystemExit):
        main()
    assert '"whole": false' in capsys.readouterr().out
