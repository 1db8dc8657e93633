"""What is changed through the store is found; what is written while chains are walked is no damage."""

import pytest
from writing import Writing

from amp.ledger.audit_store import AuditStore
from amp.ledger.chain import EMPTY
from amp.ledger.head_files import HeadFile, evidence
from amp.ledger.heads import key_of
from amp.ledger.verify import Verifier
from amp.store.connection import AT_ONCE
from amp.store.ledger_keys import bucket_of, job_keys, ledger_tag
from amp.tenancy import tenant

pytestmark = pytest.mark.cluster

OWNER = tenant("acme", "live")
KEY = key_of(b"a secret of the tests, long enough for keys")
COST = 0x4996_02D3  # 1.234567891 of a dollar, as four bytes that are found again
JOBS = [f"job-{number}" for number in range(12)]
BUCKET = bucket_of(JOBS[3])
FOURTH = job_keys(OWNER, JOBS[3])


@pytest.fixture
def store(real_store):
    return real_store


@pytest.fixture
async def jobs(store, tmp_path):
    """Twelve jobs with an outcome, the second one amended, and two records without a job; heads on file."""
    jobs = Writing(store, OWNER)
    for name in JOBS:
        await jobs.create(name, type="sales", name="Outreach")
        await jobs.completion(name, COST, (812, 133), agent="ada", squad="red")
        await jobs.tool(name, 5 * 10**8, human=True, environment="prod")
        await jobs.outcome(name, "SUCCESS", "CONVERTED", 300 * 10**9)
    await jobs.amend(JOBS[1], "FAILED")
    await jobs.completion("", COST)
    await jobs.tool("", None)
    heads = enumerate(await jobs.ledger.heads(OWNER))
    file = HeadFile(tmp_path, KEY)
    file.append({(OWNER.tag, bucket): head for bucket, head in heads if head != EMPTY})
    file.close()
    return jobs


@pytest.fixture
def walk(store, jobs, tmp_path):
    """Walks the tenant's chains, and calls `meanwhile` after each page."""

    async def walk(meanwhile=lambda _: None):
        return await Verifier(AuditStore(store), OWNER, evidence(tmp_path, KEY), meanwhile).walk()

    return walk


async def test_what_nobody_touched_is_whole(walk):
    walked = await walk()
    assert (walked.entries, walked.jobs, walked.busy, walked.findings) == (51, 12, 0, [])
    assert walked.heads == walked.chains > 1


async def test_a_walk_leaves_the_store_to_others_after_each_thirty_two_commands_or_two_pages(
    store, walk, monkeypatch
):
    asked, sent = [], store.ask_each

    async def noted(commands):
        asked.append([command[0] for command in commands])
        return await sent(commands)

    monkeypatch.setattr(store, "ask_each", noted)
    walked = await walk()
    assert walked.findings == []
    assert max(map(len, asked)) == AT_ONCE, "many at a time all the same: a round trip each would be slow"
    assert max(verbs.count("XRANGE") for verbs in asked) == 2
    assert all(len(verbs) <= 2 for verbs in asked if "XRANGE" in verbs)


async def rewritten(store, bucket, change):
    """The bucket's stream, made again from what `change` makes of its entries."""
    name = ledger_tag(OWNER, bucket) + b"entries"
    entries = [(entry_id, list(flat)) for entry_id, flat in await store.ask("XRANGE", name, "-", "+")]
    await store.ask("DEL", name)
    for entry_id, flat in change(entries):
        await store.ask("XADD", name, entry_id, *flat)


def altered(entries):
    entries[1][1][1] = entries[1][1][1].replace(COST.to_bytes(4, "big"), (1).to_bytes(4, "big"))
    return entries


def no_text(entries):
    entries[1][1][1] = entries[1][1][1].replace(b"job-", b"\xffob-")
    return entries


def swapped(entries):
    first, second = entries[1], entries[2]
    return [entries[0], (first[0], second[1]), (second[0], first[1]), *entries[3:]]


def with_another_field(entries):
    entries[1][1].extend([b"x", b"y"])
    return entries


BUCKET = bucket_of(JOBS[3])
FOURTH = job_keys(OWNER, JOBS[3])
TAMPERED = {
    "an entry taken out": (("XDEL", FOURTH.entries, "2-0"), 2, "missing"),
    "the last one taken out": (("XDEL", FOURTH.entries, "4-0"), 4, "missing"),
    "all taken out": (("DEL", FOURTH.entries), 1, "missing"),
    "the chain's head set back": (("SETRANGE", FOURTH.chain, 20, "3"), 3, "another entry was here"),
    "the chain's head gone": (("DEL", FOURTH.chain), 1, "the store's head is at 0"),
    "another status": (("HSET", FOURTH.job, "S", "FAILED"), None, "execution status is 'FAILED'"),
    "another sum": (
        ("HINCRBY", FOURTH.job, "M:USD", 1),
        None,
        "model cost in USD is '2.234567891', its entries say '1.234567891'",
    ),
    "a job gone": (("DEL", FOURTH.job), None, "is missing, its entries say"),
    "a job off the list": (("ZREM", FOURTH.jobs, JOBS[3]), None, "list of jobs has 0, entries make 1"),
    "an entry altered": (altered, 2, "is not what was written"),
    "a text that is none any more": (no_text, 2, "is not what was written"),
    "two entries swapped": (swapped, 2, "is not what was written"),
    "a field more": (with_another_field, 2, "is not what was written"),
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_what_is_changed_through_the_store_is_found(store, jobs, walk, how):
    change, position, words = TAMPERED[how]
    if callable(change):
        await rewritten(store, BUCKET, change)
    else:
        await store.ask(*change)
    (finding,) = (await walk()).findings
    assert (finding.tenant, finding.bucket, finding.position) == (OWNER.tag, BUCKET, position)
    assert words in finding.what


async def test_a_chain_made_again_from_the_start_is_found_by_the_heads_on_file(store, jobs, walk):
    """Somebody who can run the store's functions makes another past that holds by itself."""
    await store.ask("DEL", *await store.ask("KEYS", ledger_tag(OWNER, BUCKET) + b"*"))
    await jobs.create(JOBS[3], type="sales", name="Outreach")
    for _ in range(5):
        await jobs.completion(JOBS[3], 1)
    (finding,) = (await walk()).findings
    assert (finding.bucket, finding.position, finding.job) == (BUCKET, 4, JOBS[3])
    assert "another entry was here: heads-0.log has a head of 4 entries with another link" in finding.what


async def test_a_tenant_of_which_nothing_is_left_is_missed(store, walk, tmp_path):
    await store.ask("FLUSHALL")
    walked = await walk()
    assert (walked.entries, {each.position for each in walked.findings}) == (0, {1})
    assert evidence(tmp_path, KEY).tenants() == {OWNER.tag}


async def test_all_that_have_entries_are_known(store, jobs):
    await Writing(store, tenant("other", "test")).create("a")
    assert await AuditStore(store).tenants() == {OWNER, tenant("other", "test")}


async def test_a_service_that_goes_on_writing_is_no_damage(store, jobs, tmp_path, monkeypatch):
    """Each time that jobs are read, one was just written to, so that its chain has gone on."""
    reads, left = AuditStore(store), iter(range(30))
    moment = reads.moment

    async def busy(owner, bucket, asked):
        if bucket == BUCKET and next(left, None) is not None:
            await jobs.completion(JOBS[3], 1)
            await jobs.create(next(new), type="late")
        return await moment(owner, bucket, asked)

    new = (name for name in (f"n{number}" for number in range(100_000)) if bucket_of(name) == BUCKET)
    monkeypatch.setattr(reads, "moment", busy)
    walked = await Verifier(reads, OWNER, evidence(tmp_path, KEY), lambda _: None).walk()
    assert (walked.findings, walked.busy > 0) == ([], True)
    walked = await Verifier(reads, OWNER, evidence(tmp_path, KEY), lambda _: None).walk()
    assert (walked.findings, walked.busy) == ([], 0)
    assert walked.entries == 51 + 60


async def test_long_chains_are_walked_page_by_page(store, jobs, walk):
    for number in range(700):
        await jobs.completion(JOBS[number % 2], number)
    await store.ask("HINCRBY", job_keys(OWNER, JOBS[0]).job, "TI", 1)
    walked = await walk()
    assert walked.entries == 751
    assert [(each.job, each.position) for each in walked.findings] == [(JOBS[0], None)]


async def test_an_amount_may_be_kept_in_units_and_nanos_as_the_store_likes(store, walk):
    await store.ask("HINCRBY", FOURTH.job, "M:USD", -1)
    await store.ask("HINCRBY", FOURTH.job, "M.USD", 10**9)
    assert (await walk()).findings == []
