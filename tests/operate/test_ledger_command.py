"""`amp pricing`, `amp tools`, `amp rates` and `amp ledger`: without a running service."""

import asyncio
import csv
import io
import json
from decimal import Decimal

import pytest
from writing import Writing

from amp.settings import Settings
from amp.store.connection import connect
from amp.store.keeper import opened
from amp.tenancy import tenant


@pytest.fixture
def amp(run, data):
    """Runs a command on the test's own data."""
    return lambda *arguments: run(*arguments, "--data", data)


@pytest.fixture
def worked(data):
    """Four sales by two approaches, a support case that a person took over, and one that waits."""

    async def work(settings):
        store = connect(settings.redis)
        jobs = Writing(store, tenant("default", "test"))
        for number, approach in enumerate(("brief", "brief", "brief", "long")):
            name = f"s{number}"
            decision = {"approach": approach, "group": "learned"}
            await jobs.completion(name, 10**9, (100, 20), type="sales", agent="ada", **decision)
            await jobs.tool(name, 10**9, human=True)
            await jobs.outcome(name, "SUCCESS", "CONVERTED", (30 + number) * 10**9)
        await jobs.completion("h0", 5 * 10**8, type="support")
        await jobs.outcome("h0", "FAILED", "ESCALATED", 0)
        await jobs.completion("p0", None, type="support")
        await store.close()

    with opened(Settings(data=data)) as complete:
        asyncio.run(work(complete))


@pytest.mark.timeout(120)
def test_prices_tools_and_rates_are_set_listed_and_removed(amp):
    """One course on one store, for every command opens it anew."""
    assert "No prices yet" in amp("pricing", "list").stderr
    assert "Version 1 is in force" in amp("pricing", "set", "openai/gpt-4o", "2.50", "10").stderr
    amp("pricing", "set", "openai/gpt-4o", "2", "8", "--from", "2026-03-01")
    shown = amp("pricing", "list").stdout
    assert ("openai/gpt-4o" in shown, "ever since" in shown, "2026-03-01" in shown) == (True, True, True)
    told = json.loads(amp("pricing", "list", "--json").stdout)
    assert [(each["input"], each["validFrom"]) for each in told["entries"]] == [
        (2.5, None),
        (2, "2026-03-01"),
    ]
    amp("pricing", "remove", "OpenAI/GPT-4o", "--from", "2026-03-01")
    assert len(json.loads(amp("pricing", "list", "--json").stdout)["entries"]) == 1
    gone = amp("pricing", "remove", "openai/other")
    assert (gone.exit_code, "no openai/other" in gone.stderr) == (1, True)
    assert amp("pricing", "set", "gpt-4o", "1", "1").exit_code == 1
    assert "entries[1].input: must be" in amp("pricing", "set", "x/y", "1e13", "1").stderr
    for number in ("NaN", "1_0"):
        assert "INPUT must be a number in plain digits" in amp("pricing", "set", "x/y", number, "1").stderr
    amp("tools", "set", "ocr", "0.002", "--per", "pages")
    amp("tools", "set", "human_help", "1.50", "--per", "minute")
    shown = amp("tools", "list").stdout
    assert ("pages" in shown, "human" in shown) == (True, True)
    amp("rates", "set", "eur", "usd", "1.08")
    assert "1.08 USD" in amp("rates", "list").stdout
    amp("rates", "remove", "EUR", "USD")
    assert json.loads(amp("rates", "list", "--json").stdout)["entries"] == []


@pytest.mark.timeout(120)
def test_a_report_is_drawn_and_told_to_machines(amp, worked):
    drawn = amp("ledger", "report").stdout
    for words in ("Value Ratio 14.8", "Job Types by Value Ratio", "sales", "Without a price", "Next:"):
        assert words in drawn, drawn
    assert max(map(len, drawn.splitlines())) <= 80
    approaches = amp("ledger", "report", "--by", "approach").stdout
    assert "95 % intervals" in approaches
    told = json.loads(amp("ledger", "report", "--json").stdout, parse_float=Decimal)
    assert [row["key"]["type"] for row in told["rows"]] == ["sales", "support"]
    assert told["rows"][0]["totalCost"] == 8
    rows = list(csv.DictReader(io.StringIO(amp("ledger", "report", "--by", "type", "--csv").stdout)))
    assert (rows[0]["type"], rows[0]["totalValue"], rows[0]["conversions"]) == ("sales", "126", "4")
    assert (rows[1]["pending"], rows[1]["unpricedCompletions"]) == ("1", "1")
    only = json.loads(amp("ledger", "report", "--where", "outcomeType=PENDING", "--json").stdout)
    assert (only["total"]["jobs"], only["looked"]) == (1, {"jobs": 6, "of": 6})
    assert "--where must be NAME=VALUE" in amp("ledger", "report", "--where", "sales").stderr
    assert "'agnt' is none of type, environment" in amp("ledger", "report", "--where", "agnt=ada").stderr
    assert "by: must be" in amp("ledger", "report", "--by", "colour").stderr
    assert "No jobs" in amp("ledger", "report", "--tenant", "other").stdout


@pytest.mark.timeout(120)
def test_a_spreadsheet_has_a_column_for_each_currency_where_there_are_several(amp, data):
    async def work(settings):
        store = connect(settings.redis)
        writing = Writing(store, tenant("default", "test"))
        await writing.completion("s1", 10**9, type="sales")
        await writing.outcome("s1", "SUCCESS", "CONVERTED", 5 * 10**9, currency="EUR")
        await writing.completion("s2", 2 * 10**9, type="sales")
        await writing.completion("p1", 4 * 10**9, type="support")
        await writing.tool("e1", 3 * 10**9, type="eu", currency="EUR")
        await writing.create("n1", type="nothing")
        await store.close()

    with opened(Settings(data=data)) as complete:
        asyncio.run(work(complete))

    def told(*options):
        return list(
            csv.DictReader(io.StringIO(amp("ledger", "report", "--by", "type", "--csv", *options).stdout))
        )

    rows = {row["type"]: row for row in told()}
    assert len(rows) == 4  # one each: counts may be added up
    sales = rows["sales"]
    assert (sales["jobs"], sales["currency"], sales["totalCost"], sales["valueRatio"]) == ("2", "", "", "")
    assert (sales["totalCost USD"], sales["totalValue EUR"], sales["totalCost EUR"]) == ("3", "5", "0")
    assert (rows["support"]["totalCost"], rows["support"]["totalCost USD"]) == ("4", "4")
    assert (rows["eu"]["externalToolCost EUR"], rows["eu"]["totalCost USD"]) == ("3", "")
    added = {name: sum(Decimal(row[name] or 0) for row in rows.values()) for name in sales if " " in name}
    assert {name: amount for name, amount in added.items() if amount} == {
        "tokenCost USD": 7,
        "totalCost USD": 7,
        "externalToolCost EUR": 3,
        "totalCost EUR": 3,
        "totalValue EUR": 5,
    }
    only = told("--where", "type=support")
    assert [name for name in only[0] if " " in name] == []  # one currency: the plain columns say it
    total = csv.DictReader(io.StringIO(amp("ledger", "report", "--by", "", "--csv").stdout))
    assert [(row["jobs"], row["totalCost USD"], row["totalCost EUR"]) for row in total] == [("5", "7", "3")]


@pytest.mark.timeout(120)
def test_what_senders_call_things_cannot_steer_the_terminal_and_small_costs_are_not_0(amp, data):
    async def work(settings):
        store = connect(settings.redis)
        await Writing(store, tenant("default", "test")).completion("j", 1_400_000, type="a\x1b[2J\nb")
        await store.close()

    with opened(Settings(data=data)) as complete:
        asyncio.run(work(complete))
    drawn = amp("ledger", "report").stdout
    assert "a\ufffd[2J\ufffdb" in drawn
    assert "\x1b[2J" not in drawn
    assert "1 job, 1 of them pending; 1 AI call, 0 tool events" in drawn
    row = next(line for line in drawn.splitlines() if line.startswith("a\ufffd"))
    assert row.split()[1:4] == ["1", "0.00", "0.0014"]


@pytest.mark.timeout(120)
def test_jobs_and_entries_are_exported_with_exact_money(amp, worked, tmp_path):
    from pyarrow import parquet

    lines = amp("ledger", "export").stdout.splitlines()
    jobs = {job["agenticJobId"]: job for job in (json.loads(line, parse_float=Decimal) for line in lines)}
    assert set(jobs) == {"s0", "s1", "s2", "s3", "h0", "p0"}
    assert (jobs["s1"]["outcomeValue"], jobs["s1"]["totalTokens"]) == (31, 120)
    assert jobs["h0"]["costs"] == [{"kind": "model", "currency": "USD", "amount": Decimal("0.5")}]
    file = tmp_path / "jobs.parquet"
    assert "6 jobs" in amp("ledger", "export", "--format", "parquet", "--out", file).stderr
    table = {row["agenticJobId"]: row for row in parquet.read_table(file).to_pylist()}
    assert table["h0"]["costs"][0]["amount"] == Decimal("0.5")
    entries = [json.loads(line) for line in amp("ledger", "export", "--what", "entries").stdout.splitlines()]
    assert len(entries) == 15
    assert {each["kind"] for each in entries} == {"completion", "toolevent", "outcome"}
    assert len({(each["bucket"], each["position"]) for each in entries}) == 15
    assert "must be jobs or entries" in amp("ledger", "export", "--what", "all").stderr
