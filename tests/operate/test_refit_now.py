"""A refit that is asked for over HTTP: answered, it is what every worker decides with."""

import json

import httpx
from running import serving


def test_when_a_refit_is_answered_every_worker_decides_with_it(data, run):
    with serving(data, "--workers", "2") as (_, announced):
        made = json.loads(run("keys", "create", "--scopes", "all", "--json", "--data", data).stdout)
        headers = {"Authorization": f"Bearer {made['key']}"}
        with httpx.Client(base_url=announced["url"], headers=headers, timeout=40) as service:
            for user in range(12):
                asked = service.post("/v1/context", json={"userId": f"user {user}", "task": "test"}).json()
                outcome = {"requestId": asked["requestId"], "started": True, "completed": user % 3 > 0}
                assert service.post("/v1/outcome", json=outcome).status_code == 200
            fitted = service.post("/v1/admin/refit")
            assert fitted.status_code == 200, fitted.text
            version = fitted.json()["priorVersion"]
            assert (fitted.json()["workers"], fitted.json()["fit"]["users"]) == (2, 12)
        assert version >= 1
        assert decided_with(announced["url"], headers) == {version}

        with httpx.Client(base_url=announced["url"], headers=headers, timeout=40) as service:
            back = service.post("/v1/admin/rollback", json={"version": 0})
            assert (back.status_code, back.json()["priorVersion"]) == (200, version + 1)
        assert decided_with(announced["url"], headers) == {version + 1}


def decided_with(url, headers):
    """The priors behind the answers of both workers; a request id names the process that answered."""
    versions, workers = set(), set()
    for _ in range(500):
        with httpx.Client(base_url=url, headers=headers, timeout=10) as fresh:
            answer = fresh.get("/v1/profile/user 1/posterior")
        versions.add(answer.json()["priorVersion"])
        workers.add(answer.headers["X-Request-Id"].split("_")[1])
        if len(workers) == 2:
            break
    assert len(workers) == 2
    return versions
