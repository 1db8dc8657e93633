"""kill -9 at any moment: no acknowledged outcome is lost, none counts twice."""

import time

import httpx
import pytest
from clients import Reporter, Told, verdicts
from service import serving

THREADS = 4
BETWEEN_KILLS = 150  # outcomes acknowledged before the next kill, so that each meets full traffic


@pytest.mark.slow
def test_killed_workers_and_a_killed_store_lose_nothing_and_double_nothing(tmp_path):
    with serving(tmp_path / "data") as service:
        reporters = [Reporter(service.url, service.key, f"client{number}") for number in range(THREADS)]
        for reporter in reporters:
            reporter.start()
        try:
            for kill in (service.kill_workers, service.kill_store, service.kill_store, service.kill_workers):
                more_acknowledged(reporters, BETWEEN_KILLS)
                kill()
            more_acknowledged(reporters, BETWEEN_KILLS)
        finally:
            for reporter in reporters:
                reporter.ending.set()
            for reporter in reporters:
                reporter.join()
        told = together([reporter.told for reporter in reporters])
        assert told.refused == []
        assert told.retried, "no call was cut: the kills proved nothing"
        found, totals = kept(service, [*told.acknowledged, *told.unknown])
    assert verdicts(told, found, totals) == []


def more_acknowledged(reporters, count, within_s=12):
    """Waits until so many more outcomes were acknowledged."""
    goal = sum(reporter.told.count() for reporter in reporters) + count
    end = time.monotonic() + within_s
    while sum(reporter.told.count() for reporter in reporters) < goal:
        assert time.monotonic() < end, f"no {count} outcomes in {within_s} s"
        time.sleep(0.01)


def together(parts):
    """Each client's users are its own."""
    told = Told()
    for part in parts:
        told.acknowledged |= part.acknowledged
        told.unknown |= part.unknown
        told.refused += part.refused
        told.retried += part.retried
    return told


def kept(service, users):
    """The outcomes of each user in the export, and how many the profile counts."""
    found, totals = {}, {}
    with httpx.Client(headers={"Authorization": f"Bearer {service.key}"}, trust_env=False) as client:
        for user in set(users):
            answer = client.get(f"{service.url}/v1/profile/{user}/export")
            if answer.status_code == 404:
                continue
            export = answer.raise_for_status().json()
            found[user] = [each["metadata"]["number"] for each in export["interactions"]]
            totals[user] = export["profile"]["totalInteractions"]
    return found, totals


def judged(found, total, *, acknowledged=(), unknown=()):
    told = Told(acknowledged={"ada": set(acknowledged)}, unknown={"ada": set(unknown)})
    return verdicts(told, {"ada": found}, {"ada": total})


def test_the_checker_accepts_what_may_be():
    assert judged([1, 2], 2, acknowledged=[1, 2]) == []
    assert judged([1, 2], 2, acknowledged=[1], unknown=[2]) == []
    assert judged([1], 1, acknowledged=[1], unknown=[2]) == []


def test_the_checker_sees_a_lost_a_doubled_and_a_strange_outcome():
    assert judged([1], 1, acknowledged=[1, 2]) == ["ada: 2 is lost"]
    assert judged([1, 1], 1, acknowledged=[1]) == ["ada: 1 is there twice"]
    assert judged([1], 2, acknowledged=[1]) == ["ada: 2 counted, 1 there"]
    assert judged([1, 2], 2, acknowledged=[1]) == ["ada: nobody sent 2"]
