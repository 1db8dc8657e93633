"""Metrics over several workers: sums that are exact, of those that live and those that are gone."""

import os
import signal

import httpx
import pytest
from running import children, serving, until
from test_rolling import counted, metrics_of


def asked(announced, times):
    """Decisions, each on a connection of its own, so that every worker gets some."""
    body, headers = {"userId": "ada", "task": "x"}, {"Authorization": f"Bearer {announced['key']}"}
    for _ in range(times):
        assert httpx.post(announced["url"] + "/v1/context", json=body, headers=headers).status_code == 200


def files(service, kind):
    return {each.stem.removeprefix(f"{kind}_") for each in metrics_of(service).glob(f"{kind}_*.db")}


@pytest.mark.timeout(180)
def test_counts_are_summed_over_workers_and_those_of_a_killed_one_stay(data):
    with serving(data, "--workers", "3") as (service, announced):
        timed = 'amp_http_request_duration_seconds_count{route="/v1/context"'
        with httpx.Client(base_url=announced["url"]) as http:
            asked(announced, 30)
            until(lambda: counted(http, "amp_contexts_total") == counted(http, timed) == 30)
            assert counted(http, "amp_workers ") == counted(http, "amp_build_info") == 3
            assert counted(http, "amp_draining") == 0

        workers = {int(pid) for pid in files(service, "gauge_livesum")}
        assert len(workers) == 3
        assert workers < {int(pid) for pid in files(service, "counter")}, "what runs beside them counts too"
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not workers & {int(pid) for pid in files(service, "gauge_livesum")}, within_s=60)
        until(lambda: len(files(service, "gauge_livesum")) == 3, within_s=60)
        with httpx.Client(base_url=announced["url"], timeout=30) as http:
            assert counted(http, "amp_contexts_total") == counted(http, timed) == 30
            asked(announced, 6)
            until(lambda: counted(http, "amp_contexts_total") == counted(http, timed) == 36)
            assert counted(http, "amp_workers ") == 3
        assert len(files(service, "counter")) <= 3 + 3 + 1
        assert children(service.pid) >= {int(pid) for pid in files(service, "counter") - {"ended"}}
