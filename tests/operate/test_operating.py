"""`amp refit`, `amp population`, `amp rollback`: the learner operated from a terminal."""

import asyncio
import json

import pytest
from running import calling, serving

from amp.learning import fit_store
from amp.learning.admin_wire import ContextDefaults, FitReply, PopulationReply, RefitReply
from amp.learning.fit_store import FitStore
from amp.store.connection import connect
from amp.store.functions import Functions
from amp.store.keys import REFIT_LEASE
from amp.terminal import operating, population


def taught(announced, users=12):
    with calling(announced) as service:
        for user in range(users):
            ask = {"userId": f"user {user}", "task": "test", "taskType": "coding"}
            asked = service.post("/v1/context", json=ask).json()
            outcome = {"requestId": asked["requestId"], "started": True, "completed": user % 3 > 0}
            assert service.post("/v1/outcome", json=outcome).status_code == 200


def test_a_prior_is_fitted_seen_and_taken_back(data, run):
    with serving(data) as (_, announced):
        taught(announced)
        said = run("refit", "--data", data)
        assert said.stdout.startswith("Prior 1 is published: 12 outcomes of 12 users in ")
        assert "On users held out it scores" in said.stdout
        assert "Workers that decide with it: 1" in said.stderr
        assert "\x1b" not in said.stdout + said.stderr, "no spinner where nobody looks"

        seen = json.loads(run("population", "--json", "--data", data).stdout)
        assert (seen["priorVersion"], seen["users"], seen["fits"][0]["ask"]) == (1, 12, 1)
        drawn = run("population", "--data", data).stdout
        assert max(map(len, drawn.splitlines())) <= 80
        assert "prior 1, 12 outcomes of 12 users" in drawn
        for each in seen["contexts"][0]["dimensions"]:
            assert each["dimension"] in drawn
            assert each["option"] in drawn
        assert "published" in drawn

        back = json.loads(run("rollback", "0", "--json", "--data", data).stdout)
        assert (back["done"], back["priorVersion"], back["restored"], back["workers"]) == (True, 2, 0, 1)
        assert "Rolled back: no new fit until" in run("population", "--data", data).stdout
        again = json.loads(run("refit", "--json", "--data", data).stdout)
        assert (again["done"], again["fit"]["ask"]) == (True, 2)
        assert "Rolled back: no new" not in run("population", "--data", data).stdout

        refused = run("rollback", "7", "--data", data)
        assert refused.exit_code == 1
        assert "version: must be earlier than" in refused.stderr
    refused = run("refit", "--data", data)
    assert refused.exit_code == 1
    assert "Start: amp serve" in refused.stderr


@pytest.mark.parametrize(
    ("published", "score", "before", "said"),
    [
        (True, 0.112, 0.118, True),
        (True, 0.118, 0.118, False),
        (True, 0.121, 0.118, False),
        (False, 0.112, 0.118, False),
        (True, None, None, False),
    ],
)
def test_a_fit_that_is_published_though_it_scores_worse_says_by_what_right(
    capsys, published, score, before, said
):
    fit = FitReply("2026-11-26T04:00:00Z", 7, published=published, reason="" if published else "Worse.")
    fit.score, fit.current_score = score, before
    contexts = [ContextDefaults(None, None, [])]
    population.draw(PopulationReply(7, 1, "hierarchical", "learning", 12, 120, {}, contexts, [fit]))
    drawn = capsys.readouterr().out
    assert ("published," in drawn and "within one standard error" in drawn) == said
    assert max(map(len, drawn.splitlines())) <= 80
    operating.refitted(RefitReply(done=True, prior_version=7, workers=1, fit=fit))
    assert (": within one standard error." in capsys.readouterr().out) == said


@pytest.fixture
def refit_beside(own_server, run, monkeypatch):
    """`amp refit`, which does not wait for the fit, after steps in its store that take `(store, fits)`."""
    url, _ = own_server
    monkeypatch.setenv("AMP_SECRET", "x" * 32)
    monkeypatch.setattr("amp.learning.admin.REFIT_WITHIN_S", 0.0)
    assert run("keys", "create", "--redis", url).exit_code == 0

    async def done(steps):
        store = connect(url)
        await steps(store, FitStore(store, Functions(store, [fit_store.LIBRARY]), retention_ms=1000))
        await store.close()

    def refit(steps):
        asyncio.run(done(steps))
        return run("refit", "--redis", url)

    return refit


def test_a_worker_that_attends_is_a_service_though_its_background_fit_does_not_lead_yet(
    refit_beside, monkeypatch
):
    async def comes(_, fits):
        await fits.announce("a worker", {})

    async def leaves(_, fits):
        await fits.leave("a worker")

    assert "Not done within" in refit_beside(comes).stderr
    assert "Start: amp serve" in refit_beside(leaves).stderr
    refit_beside(comes)
    monkeypatch.setattr(fit_store, "SILENT_MS", -1)
    assert "Start: amp serve" in refit_beside(comes).stderr, "it was killed: its silence says so"


def test_a_background_fit_that_leads_is_a_service_though_no_worker_attends_yet(refit_beside):
    async def leads(store, _):
        await store.ask("SET", REFIT_LEASE, "somebody")

    async def ends(store, _):
        await store.ask("DEL", REFIT_LEASE)

    assert "Not done within" in refit_beside(leads).stderr
    assert "Start: amp serve" in refit_beside(ends).stderr


def test_a_tenant_that_nobody_knows_is_refused_in_words(data, run):
    for command in (("population",), ("refit",), ("rollback", "1")):
        refused = run(*command, "--tenant", "nobody", "--data", data)
        assert refused.exit_code == 1
        assert "No key was ever made for the test data of nobody" in refused.stderr
        assert refused.stdout == ""
