"""Many callers at once, on two workers."""

import asyncio
from collections import Counter

import pytest
from calls import API, COMPLETIONS, TENANT, completion, everything, job

from amp.ledger.job import read_job
from amp.store.connection import connect

pytestmark = pytest.mark.cluster


@pytest.fixture
def store(real_store):
    return real_store


@pytest.fixture
async def pair(client, caller, serve, real_url):
    """Clients of two workers on one store."""
    return client, await caller("ledger", on=await serve(connect(real_url)))


async def test_of_fifty_reports_exactly_one_wins_and_the_others_hear_which(pair, facts):
    await pair[0].post(f"{API}/jobs", json={"agenticJobId": "job-1"})
    reports = [
        pair[number % 2].post(
            job("job-1", "outcome"), json={"executionStatus": "SUCCESS", "outcomeValue": number}
        )
        for number in range(50)
    ]
    answers = await asyncio.gather(*reports)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 49}
    (won,) = [answer.json()["outcomeValue"] for answer in answers if answer.status_code == 200]
    told = [
        answer.json()["details"]["outcome"]["outcomeValue"] for answer in answers if answer.status_code == 409
    ]
    assert set(told) == {won}
    assert len(await everything(facts)) == 2


async def test_amendments_at_once_all_stand_in_the_history_or_say_that_they_were_overtaken(pair, facts):
    await pair[0].post(f"{API}/jobs", json={"agenticJobId": "job-1"})
    await pair[0].post(job("job-1", "outcome"), json={"executionStatus": "SUCCESS"})
    changes = [
        pair[number % 2].patch(
            job("job-1", "outcome"), json={"outcomeValue": number, "expectedEntityVersion": 1}
        )
        for number in range(20)
    ]
    answers = await asyncio.gather(*changes)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    assert len(await everything(facts)) == 3


async def test_records_that_race_to_make_a_job_all_count_and_make_one(pair, facts):
    bodies = [completion(transactionId=f"t-{number % 40}", totalCost=0.1) for number in range(80)]
    answers = await asyncio.gather(
        *(pair[number % 2].post(COMPLETIONS, json=body) for number, body in enumerate(bodies))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len(await everything(facts)) == 40
    (found,) = await facts.jobs(TENANT, ["job-1"])
    assert read_job("job-1", found).state.cost_nanos == {("model", "USD"): 4_000_000_000}


async def test_every_bucket_keeps_its_chain_whole_under_load(pair, facts):
    bodies = [
        completion(transactionId=f"t-{number}", agenticJobId=f"job-{number % 97}", totalCost=0.001)
        for number in range(600)
    ]
    answers = []
    for begin in range(
        0, 600, 100
    ):  # all at once, the last of them wait longer than a service may on a busy machine
        some = enumerate(bodies[begin : begin + 100])
        answers += await asyncio.gather(
            *(pair[number % 2].post(COMPLETIONS, json=body) for number, body in some)
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len(await everything(facts, whole=True)) == 600
