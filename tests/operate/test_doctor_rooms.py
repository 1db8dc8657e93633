"""What `amp doctor` says of ledgers and of the learner: what is behind or never verified, and who is away."""

import pytest
from writing import Writing

from amp.doctor import learning, ledger
from amp.learning import fit_store
from amp.learning import store as learning_store
from amp.learning.admin_wire import FitReply
from amp.learning.fit_store import FitStore
from amp.ledger.chain import EMPTY
from amp.ledger.head_files import FOLDER, HeadFile
from amp.ledger.heads import key_of
from amp.ledger.standing import Verifications
from amp.ledger.verified import FoundReply, VerifiedReply
from amp.settings import Settings
from amp.store.functions import Functions
from amp.store.keys import BRIDGE_TOTALS, PRIOR_VERSIONS, REFIT_LEASE, bucket_tag
from amp.tenancy import tenant

OWNER = tenant("acme", "live")
SECRET = "a secret of the tests, long enough for keys"
NOW_MS = 1_800_000_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", secret=SECRET)


def statuses(findings):
    return {each.name: each.status for each in findings}


# The ledger


@pytest.fixture
async def jobs(store):
    jobs = Writing(store, OWNER)
    for number in range(3):
        await jobs.create(f"job-{number}", type="sales")
    return jobs


@pytest.fixture
def file_heads(jobs, settings):
    """Writes where the chains end now to a file, at a time of the test's own."""

    async def write(secret=SECRET, at_ms=NOW_MS):
        file = HeadFile(settings.data / FOLDER, key_of(secret.encode()), lambda: at_ms)
        heads = enumerate(await jobs.ledger.heads(OWNER))
        file.append({(OWNER.tag, bucket): head for bucket, head in heads if head != EMPTY})
        file.close()

    return write


@pytest.fixture
def look(store, settings):
    async def look(pause=None, now_ms=NOW_MS + 5000, **changed):
        async def at_once(_):
            if pause:
                await pause()

        of = Settings(**{"data": settings.data, "secret": SECRET, **changed})
        found = await ledger.findings(of, store, [OWNER], now_ms=now_ms, pause=at_once)
        return {each.name: each for each in found}

    return look


async def test_without_entries_there_is_nothing_to_say(store, settings):
    (found,) = await ledger.findings(settings, store, [OWNER], now_ms=NOW_MS)
    assert (found.status, found.found) == ("ok", "no entries yet")


async def test_ends_of_chains_that_lie_on_file_are_ok_and_older_ones_are_told(look, file_heads, jobs):
    assert (await look())["chain heads"].status == "warn"  # no file
    await file_heads()
    found = (await look())["chain heads"]
    assert (found.status, found.found) == ("ok", "3 of 3 ends are on file, the last written 5 s ago")
    await jobs.outcome("job-1", "SUCCESS", "CONVERTED", 1)
    found = (await look())["chain heads"]
    assert (found.status, found.found[:20]) == ("warn", "2 of 3 ends are on f")
    assert (await look(pause=file_heads))["chain heads"].status == "ok"  # a worker writes each second


async def test_heads_of_another_secret_are_forged_and_without_a_secret_nobody_knows(look, file_heads):
    await file_heads(secret="another secret, which nobody here has known")
    found = (await look())["chain heads"]
    assert (found.status, "heads-0.log, line 1" in found.found) == ("fail", True)
    assert (await look(secret=None))["chain heads"].status == "unknown"


def walk(entries, at, findings=()):
    return VerifiedReply(at, entries, 3, 3, 0, 3, not findings, list(findings), len(findings), 0.1)


async def test_when_the_chains_were_walked_is_told_and_what_was_found_fails(look, jobs, store):
    assert (await look())["verified"].found == "nobody ever walked the chains of acme:live"
    at = "2027-01-15T08:00:00.000Z"  # NOW_MS
    kept = Verifications(store)
    await kept.keep(OWNER, walk(2, at))
    found = (await look(now_ms=NOW_MS + 3 * HOUR_MS))["verified"]
    assert (found.status, found.found) == ("ok", "whole 3 h ago, 1 entries since")
    assert (await look(now_ms=NOW_MS + 31 * DAY_MS))["verified"].status == "warn"
    await kept.keep(OWNER, walk(2, at, [FoundReply(1, 1, None, "altered")]))
    found = (await look())["verified"]
    assert (found.status, "acme:live" in found.found) == ("fail", True)


async def test_entries_that_are_not_folded_are_counted(look, jobs, monkeypatch):
    assert (await look())["sums of reports"].found == "3 entries are not folded yet"
    monkeypatch.setattr(ledger, "BEHIND_WARN", 2)
    assert (await look())["sums of reports"].status == "warn"


# The learner


@pytest.fixture
async def fits(store):
    functions = Functions(store, [learning_store.LIBRARY, fit_store.LIBRARY])
    await functions.load()
    return FitStore(store, functions, retention_ms=30 * DAY_MS)


@pytest.fixture
def events(store):
    """Puts events into the tenant's log, at these times."""

    async def put(*times_ms):
        for at_ms in times_ms:
            await store.ask("XADD", bucket_tag(OWNER, 7) + b":events", f"{at_ms}-*", "e", "x")

    return put


@pytest.fixture
def learner(store, settings):
    async def look(now_ms=NOW_MS, **changed):
        of = Settings(**{"data": settings.data, "secret": SECRET, **changed})
        return {each.name: each for each in await learning.findings(of, store, [OWNER], now_ms=now_ms)}

    return look


async def test_where_nobody_serves_that_is_told_and_what_hangs_on_it_is_not_known(learner, fits):
    found = await learner()
    assert statuses(found.values()) == {
        "workers": "warn",
        "background fit": "unknown",
        "prior": "ok",
        "workers' priors": "unknown",
        "bridge": "unknown",
        "log retention": "ok",
    }


async def test_workers_without_a_leader_or_a_bridge_are_told(learner, fits, store):
    await fits.announce("one", {OWNER.tag: 2})
    found = await learner()
    assert found["workers"].found == "1 at work on this store"
    assert (found["background fit"].status, found["bridge"].status) == ("warn", "warn")
    await store.ask("SET", REFIT_LEASE, "me", "PX", 60_000)
    await store.ask("HSET", BRIDGE_TOTALS, "looked_ms", NOW_MS - 1000)
    assert statuses((await learner()).values()) == dict.fromkeys(found, "ok")
    found = await learner(now_ms=NOW_MS + 60_000)
    assert (found["bridge"].status, found["bridge"].found) == (
        "fail",
        "last at work 61 s ago; 0 outcomes and grades wait",
    )


async def test_a_worker_that_decides_with_an_older_prior_is_told(learner, fits, store):
    await fits.announce("one", {OWNER.tag: 3})
    await fits.announce("two", {OWNER.tag: 2})
    await store.ask("HSET", PRIOR_VERSIONS, OWNER.tag, 3)
    assert (await learner())["workers' priors"].found == "1 of 2 decide with an older one"
    await fits.announce("two", {OWNER.tag: 3})
    assert (await learner())["workers' priors"].status == "ok"


async def test_outcomes_that_no_prior_has_after_hours_are_told(learner, fits, events):
    await fits.announce("one", {})
    await events(*(NOW_MS - 5 * HOUR_MS + number for number in range(20)))
    assert (await learner())["prior"].status == "ok"  # all within a moment: the first fit may be under way
    await events(NOW_MS)
    found = (await learner())["prior"]
    assert (found.status, found.fix.startswith("amp refit --tenant acme --env live")) == ("warn", True)
    await fits.remember(OWNER, FitReply("2027-01-15T07:00:00.000Z", 1, True, ""))
    found = (await learner())["prior"]
    assert (found.status, found.found.startswith("the oldest was fitted 60 min ago")) == ("ok", True), found


async def test_a_log_that_is_too_short_or_is_not_cut_is_told(learner, fits, events):
    found = await learner(log_retention_ms=HOUR_MS, outcome_window_ms=DAY_MS)
    assert found["log retention"].status == "warn"
    await events(NOW_MS - 31 * DAY_MS)
    assert (await learner())["log retention"].found == "30 days; the oldest event came 31 days ago"
    assert (await learner(now_ms=NOW_MS + 2 * DAY_MS))["log retention"].status == "warn"
