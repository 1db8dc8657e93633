"""The ledger's own list: every job on one leaf and on one only, whatever is filtered and whichever way."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_report_calls import got, metered, reported

from amp.ledger.filters import Filters
from amp.ledger.job import read_job
from amp.ledger.leaf_wire import Turn
from amp.ledger.leafing import Leafing
from amp.ledger.looking import Budget
from amp.tenancy import Tenant

pytestmark = pytest.mark.cluster

ACME = Tenant("acme", "test")
PATH = "/v1/ledger/jobs"
PLENTY = Budget(10_000, 60.0)


class Index:
    """Jobs in memory, listed in parts as short as a test wants; looks at each are counted."""

    def __init__(self, made, part):
        self.made = dict(made)
        self.part = part
        self.looked = []

    async def jobs(self, _, window, *, oldest_first=False):
        listed = sorted(
            ((ms, job) for job, ms in self.made.items() if window.start_ms <= ms < window.end_ms),
            reverse=not oldest_first,
        )
        for start in range(0, len(listed), self.part):
            yield listed[start : start + self.part]
            yield []

    async def look(self, _, jobs, wanted):
        self.looked += jobs
        hashes = [(job, {"c": str(self.made[job]), "u": "0", "t": job[:1]}) for job in jobs]
        return [
            each for each in hashes if all(each[1].get(name, "") == said for name, said in wanted.items())
        ]

    async def judged(self, _, found, *_ignored, **_asked):
        yield [(read_job(job, of), []) for job, of in found]


async def leaves(index, filters, size, budget, *, forward=False):
    """All of them, from one end to the other."""
    leafing, turn, found = Leafing(index, index), Turn(size, after_ms=-1 if forward else None), []
    while True:
        leaf = await leafing.leaf(ACME, filters, turn, budget)
        found.append(leaf)
        on = leaf.newer_ms if forward else leaf.older_ms
        if on is None:
            return found
        turn = Turn(size, after_ms=on) if forward else Turn(size, before_ms=on)


JOBS = st.dictionaries(st.text("abc", min_size=1, max_size=6), st.integers(0, 12), max_size=60)


WAYS = st.tuples(st.integers(1, 9), st.integers(1, 7), st.integers(1, 30), st.booleans(), st.booleans())


@given(JOBS, WAYS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_job_is_on_one_leaf_whatever_ends_a_leaf(arunner, made, way):
    """Many jobs of one millisecond, few that pass, a budget that is soon used up: none is lost or doubled."""
    part, size, budget, forward, only = way
    filters = Filters(type="a") if only else Filters()
    index = Index(made, part)
    found = arunner(leaves(index, filters, size, Budget(budget, 60.0), forward=forward))
    shown = [job.id for leaf in (found[::-1] if forward else found) for job in leaf.jobs]
    wanted = sorted((ms, job) for job, ms in made.items() if not only or job[:1] == "a")
    assert sorted(shown) == sorted(job for _, job in wanted)
    times = [made[job] for job in shown]
    assert times == sorted(times, reverse=True)
    assert all(leaf.cut == (len(leaf.jobs) < size) for leaf in found[:-1])
    assert not found[-1].cut


@pytest.fixture
def arunner():
    import asyncio

    with asyncio.Runner() as runner:
        yield runner.run


def test_a_leaf_back_is_the_leaf_that_was_left(arunner):
    index = Index({f"a{number:02}": number for number in range(20)}, 4)

    async def there_and_back():
        leafing = Leafing(index, index)
        first = await leafing.leaf(ACME, Filters(), Turn(5), PLENTY)
        second = await leafing.leaf(ACME, Filters(), Turn(5, before_ms=first.older_ms), PLENTY)
        third = await leafing.leaf(ACME, Filters(), Turn(5, before_ms=second.older_ms), PLENTY)
        return first, second, await leafing.leaf(ACME, Filters(), Turn(5, after_ms=third.newer_ms), PLENTY)

    first, second, back = arunner(there_and_back())
    assert [job.id for job in back.jobs] == [job.id for job in second.jobs]
    assert back.older_ms == second.older_ms
    assert back.newer_ms == first.jobs[-1].created_ms - 1
    assert first.newer_ms is None


def test_the_last_leaf_takes_no_more_looks_than_the_first(arunner):
    index = Index({f"a{number:04}": number for number in range(3000)}, 500)
    arunner(Leafing(index, index).leaf(ACME, Filters(), Turn(10, before_ms=30), PLENTY))
    assert len(index.looked) <= 30


@pytest.fixture
def store(any_store):
    """In memory, then on a real server of each kind."""
    return any_store


@pytest.fixture
async def agent(caller):
    return await caller("all")


@pytest.fixture
async def some(agent):
    """Jobs of every kind of outcome, one corrected, one without a price."""
    for number in range(7):
        await metered(agent, f"j{number}", 0.5, agenticJobType="sales" if number % 2 else "support")
    await metered(agent, "j6", None, model="nobody-knows")
    await metered(agent, "j1", 1.5, tool="human_escalation")
    await reported(agent, "j0", "SUCCESS", "CONVERTED", 30)
    await reported(agent, "j1", "FAILED", "ESCALATED", 4, outcomeReason="A person took over")
    await reported(agent, "j2", "SUCCESS", None, 0)
    await reported(agent, "j3", "SUCCESS", "DEFLECTED", 5, outcomeCurrency="EUR")
    answer = await agent.patch(
        "/profitstream/v2/api/jobs/j0/outcome", json={"outcomeValue": 10, "reason": "a slip"}
    )
    assert answer.status_code == 200
    return agent


def names(leaf):
    return {line["agenticJobId"] for line in leaf["jobs"]}


async def test_a_line_says_what_the_job_was_worth_and_what_it_cost(some):
    leaf = await got(some, PATH)
    assert (leaf["total"], leaf["cut"], leaf["older"], leaf["newer"]) == (7, False, None, None)
    lines = {line["agenticJobId"]: line for line in leaf["jobs"]}
    for job, line in lines.items():
        roi = await got(some, f"/profitstream/v2/api/jobs/{job}/roi")
        for name in ("totalCost", "outcomeValue", "valueRatio", "byCurrency", "warnings", "outcomeType"):
            assert line[name] == roi[name], (job, name)
    assert (lines["j0"]["outcomeValue"], lines["j0"]["outcomeUpdateCount"]) == (10, 1)
    assert lines["j1"]["outcomeReason"] == "A person took over"
    assert (lines["j3"]["currency"], lines["j3"]["valueRatio"]) == (None, None)
    assert (lines["j6"]["hasOutcome"], lines["j6"]["unpriced"]) == (False, 1)


async def test_the_gap_is_what_was_successful_and_not_converted(some):
    """By the same filter in the list, in its count, and in a report."""
    asked = {"executionStatus": "SUCCESS", "outcomeTypeNot": "CONVERTED"}
    leaf = await got(some, PATH, **asked)
    assert (names(leaf), leaf["total"], leaf["filters"]) == ({"j2", "j3"}, 2, asked)
    report = await got(some, "/v1/ledger/report", **asked)
    assert report["total"]["jobs"] == 2
    funnel = (await got(some, "/v1/ledger/report"))["total"]["conversionFunnel"]
    assert funnel["successfulJobs"] - funnel["convertedJobs"] == leaf["total"]
    assert names(await got(some, PATH, outcomeTypeNot="PENDING")) == {"j0", "j1", "j2", "j3"}
    answer = await some.get(PATH, params={"outcomeTypeNot": "WON"})
    assert answer.status_code == 400


async def test_leaves_go_on_where_the_budget_ended(some):
    found, query = [], {"type": "sales", "size": 2, "budget": 1}
    for _ in range(20):
        leaf = await got(some, PATH, **query)
        found += [line["agenticJobId"] for line in leaf["jobs"]]
        if leaf["older"] is None:
            break
        query["before"] = leaf["older"]
    assert sorted(found) == ["j1", "j3", "j5"]
    answer = await some.get(PATH, params={"before": 1, "after": 1})
    assert answer.status_code == 400


async def test_another_tenant_has_no_leaf(some, caller):
    other = await caller("all", tenant="other")
    assert (await got(other, PATH))["jobs"] == []
