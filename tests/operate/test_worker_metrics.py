"""Metrics over several workers: sums that are exact, of those that live and those that are gone."""

import os
import signal

import httpx
import pytest
from running import serving, until
from test_rolling import counted, metrics_of


def asked(announced, times):
    """Decisions, each on a connection of its own, so that every worker gets some."""
    body, headers = {"userId": "ada", "task": "x"}, {"Authorization": f"Bearer {announced['key']}"}
    for _ in range(times):
        assert httpx.post(announced["url"] + "/v1/context", json=body, headers=headers).status_code == 200


def files(folder, kind):
    return {each.stem.removeprefix(f"{kind}_") for each in folder.glob(f"{kind}_*.db")}


@pytest.mark.timeout(180)
def test_counts_are_summed_over_workers_and_those_of_killed_ones_stay(data):
    with serving(data, "--workers", "3") as (service, announced):
        folder = metrics_of(service)
        timed = 'amp_http_request_duration_seconds_count{route="/v1/context"'
        with httpx.Client(base_url=announced["url"]) as http:
            asked(announced, 30)
            until(lambda: counted(http, "amp_contexts_total") == counted(http, timed) == 30)
            assert counted(http, "amp_workers ") == counted(http, "amp_build_info") == 3
            assert counted(http, "amp_draining") == 0

        # what runs beside the workers counts too; its files come when it has something to count
        until(lambda: len(files(folder, "gauge_livesum") & files(folder, "counter")) == 7)
        processes = files(folder, "gauge_livesum")
        assert processes == files(folder, "counter")
        for pid in processes:
            os.kill(int(pid), signal.SIGKILL)
        until(lambda: not processes & files(folder, "gauge_livesum"), within_s=60)
        until(lambda: len(files(folder, "gauge_livesum")) == 7, within_s=60)
        with httpx.Client(base_url=announced["url"], timeout=30) as http:
            assert counted(http, "amp_contexts_total") == counted(http, timed) == 30
            asked(announced, 6)
            until(lambda: counted(http, "amp_contexts_total") == counted(http, timed) == 36)
            until(lambda: counted(http, "amp_workers ") == 3)
        until(lambda: files(folder, "counter") == files(folder, "gauge_livesum") | {"ended"})
