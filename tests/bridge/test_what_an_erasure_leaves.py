"""What is left of an erased user where a job followed their decision: as docs/operate/privacy.md says."""

import pytest
from bridging import ACME, SECRET, report_job

from amp.errors import InvalidRequestId
from amp.learning.token import Sealer
from amp.ledger.entries import unpack
from amp.ledger.store import LedgerStore
from amp.store.keys import record_key
from amp.store.ledger_keys import bucket_of

USER = "rosalind@example.org"
READS = {
    b"string": ("GET",),
    b"hash": ("HGETALL",),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", 0, -1),
    b"stream": ("XRANGE", "-", "+"),
}


async def everything(store):
    """Names and values of all there is in the store, as one text."""
    told = []
    for key in await store.ask("KEYS", "*"):
        verb, *rest = READS[await store.ask("TYPE", key)]
        told.append((key, await store.ask(verb, key, *rest)))
    return repr(told)


async def requests(store):
    """The requestIds in the ledger's entries of the job."""
    entries = await LedgerStore(store, None).stored_at(ACME, bucket_of("job-1"), [1, 2])
    return {getattr(unpack(each.entry), "request", None) for each in entries.values()} - {None}


@pytest.fixture
async def erased(client, carry):
    """The requestId of a decision that a job followed, of a user who was erased since."""
    request_id = await client.decided(USER)
    await report_job(client, "job-1", request_id, outcomeType="CONVERTED")
    await carry()
    assert (await client.get(f"/v1/profile/{USER}")).status_code == 200
    assert (await client.delete(f"/v1/profile/{USER}")).status_code == 204
    return request_id


async def test_the_store_names_the_user_in_the_key_of_the_watermark_alone(erased, store):
    left = await everything(store)
    watermark = record_key(ACME, USER).decode()
    assert watermark in left
    assert "rosalind" not in left.replace(watermark, "")


async def test_the_ledger_holds_the_sealed_id_of_the_decision_and_the_services_secret_opens_it(erased, store):
    (kept,) = await requests(store)
    assert kept == erased
    _, user, _ = Sealer(SECRET.encode()).open(ACME, kept)
    assert user == USER, "which the page on privacy says"
    with pytest.raises(InvalidRequestId):
        Sealer(b"another secret, with which the service was started since").open(ACME, kept)


@pytest.mark.usefixtures("erased")
async def test_nothing_that_amp_answers_of_the_job_names_the_user(client):
    for path in (
        "/profitstream/v2/api/jobs/job-1",
        "/v1/ledger/jobs",
        "/v1/ledger/jobs/job-1/timeline",
        "/v1/ledger/jobs/job-1/chain",
        "/v1/ledger/report?by=approach",
    ):
        answer = await client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert "rosalind" not in answer.text
