"""`amp refit`, `amp population`, `amp rollback`: the learner operated from a terminal."""

import json

import httpx
from running import serving


def taught(announced, users=12):
    headers = {"Authorization": f"Bearer {announced['key']}"}
    with httpx.Client(base_url=announced["url"], headers=headers) as service:
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


def test_a_tenant_that_nobody_knows_is_refused_in_words(data, run):
    for command in (("population",), ("refit",), ("rollback", "1")):
        refused = run(*command, "--tenant", "nobody", "--data", data)
        assert refused.exit_code == 1
        assert "No key was ever made for the test data of nobody" in refused.stderr
        assert refused.stdout == ""
