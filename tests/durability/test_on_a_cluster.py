"""`amp serve` on a cluster: slots move and masters fail under load, and no outcome is lost or doubled."""

import asyncio
import json
import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import httpx
import pytest
from clients import Reporter, verdicts
from service import COMMAND
from six_nodes import six_nodes
from test_kills import kept, more_acknowledged, together

import amp
from amp.store.cluster_slots import slot_of
from amp.store.connection import connect
from amp.store.keyring import Keyring, pepper
from amp.store.keys import user_keys
from amp.tenancy import DEFAULT_SCOPES, tenant

SECRET = "a secret of the tests, long enough for keys"
OWNER = tenant("default", "test")
THREADS, USERS = 4, 6
BETWEEN = 100  # outcomes acknowledged before the next thing happens
MOVES = 12
BACK_WITHIN_S = 20


class Serving:
    """What `kept` asks of a service."""

    def __init__(self, url, key):
        self.url, self.key = url, key


@contextmanager
def serving(cluster, folder, *, acks=0):
    """One worker on the cluster, that asks so many replicas to acknowledge, and a key."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AMP_")}
    environ |= {"PYTHONPATH": str(Path(amp.__file__).parents[1]), "AMP_SECRET": SECRET}
    environ |= {"AMP_ACK_REPLICAS": str(acks)}
    command = [*COMMAND, "serve", "--json", "--port", "0", "--data", str(folder), "--redis", cluster.url]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            announced = process.stdout.readline()
            assert announced, (folder / "serve.log").read_text()
            yield Serving(json.loads(announced)["url"], asyncio.run(key_on(cluster.url)))
        finally:
            process.terminate()
            process.communicate(timeout=20)


async def key_on(url):
    store = connect(url)
    key, _ = await Keyring(store, pepper(SECRET)).create(
        tenant=OWNER.name, env=OWNER.env, scopes=DEFAULT_SCOPES, expires_ms=None
    )
    await store.close()
    return key


@contextmanager
def load(service):
    """Clients that report without a pause."""
    reporters = [Reporter(service.url, service.key, f"client{number}") for number in range(THREADS)]
    for reporter in reporters:
        reporter.start()
    try:
        yield reporters
    finally:
        for reporter in reporters:
            reporter.ending.set()
        for reporter in reporters:
            reporter.join()


def slots():
    """Where the clients' users lie."""
    names = [f"client{number}-{user}" for number in range(THREADS) for user in range(USERS)]
    return {name: slot_of(user_keys(OWNER, name).record) for name in names}


def judged(service, reporters):
    told = together([reporter.told for reporter in reporters])
    assert told.refused == []
    found, totals = kept(service, [*told.acknowledged, *told.unknown])
    return told, verdicts(told, found, totals)


@pytest.mark.slow
def test_slots_that_move_under_load_lose_nothing_and_double_nothing(tmp_path):
    with six_nodes() as cluster, serving(cluster, tmp_path) as service:
        with load(service) as reporters:
            more_acknowledged(reporters, BETWEEN)
            moved = 0
            for slot in list(dict.fromkeys(slots().values()))[:MOVES]:
                source = cluster.master_of(slot)
                target = next(node for node in cluster.masters() if node is not source)
                # one key at a time, with pauses: the keys of one call lie on both sides for a while
                moved += cluster.move(slot, target, at_once=1, pause=lambda: time.sleep(0.02))
                more_acknowledged(reporters, BETWEEN // 4)
            assert moved > MOVES, "only empty slots moved"
            assert met(cluster) >= {"ASK", "MOVED", "TRYAGAIN"}, "no call met a slot that moved"
        ready = httpx.get(f"{service.url}/readyz", trust_env=False)
        assert ready.status_code == 200, ready.text
        assert {each["name"] for each in ready.json()["checks"]} >= {"store", "persistence", "cluster"}
        _, wrong = judged(service, reporters)
        assert wrong == []


@pytest.mark.slow
def test_masters_that_hand_over_and_that_are_killed_lose_nothing_and_double_nothing(tmp_path):
    of = slots()
    with six_nodes() as cluster, serving(cluster, tmp_path) as service:
        with load(service) as reporters:
            more_acknowledged(reporters, BETWEEN)
            slot = of["client0-0"]
            replica = cluster.replica_of(cluster.master_of(slot))
            replica.cluster("FAILOVER")
            handed_s = back(lambda: cluster.master_of(slot) is replica)
            more_acknowledged(reporters, BETWEEN)
            cluster.settled()
            killed = cluster.master_of(slot)
            killed.kill()
            back_s = back(lambda: cluster.master_of(slot) not in {None, killed})
            served_s = back_s + back(lambda: reported(service, "client0-0"))
            more_acknowledged(reporters, BETWEEN)
            killed.start()
            cluster.settled()
            more_acknowledged(reporters, BETWEEN)
        told, wrong = judged(service, reporters)
        print(
            f"handed over in {handed_s:.2f} s; another master {back_s:.2f} s after kill -9, written to after "
            f"{served_s:.2f} s; {told.count()} acknowledged, {told.retried} of them not at once"
        )
        assert told.retried, "no call was cut: the kill proved nothing"
        assert wrong == []


@pytest.mark.slow
def test_masters_that_are_killed_lose_nothing_that_a_replica_had_to_acknowledge(tmp_path):
    slot = slots()["client0-0"]
    with six_nodes() as cluster, serving(cluster, tmp_path, acks=1) as service:
        with load(service) as reporters:
            for _ in range(2):  # the second time whoever was killed the first time takes over
                more_acknowledged(reporters, BETWEEN)
                killed = cluster.master_of(slot)
                killed.kill()
                back(lambda killed=killed: cluster.master_of(slot) not in {None, killed})
                unmet = unproven(service)
                back(lambda unmet=unmet: unproven(service) > unmet)  # the new master has no replica yet
                killed.start()
                back(lambda: followed(cluster, slot))
                cluster.settled()
            more_acknowledged(reporters, BETWEEN)
        told, wrong = judged(service, reporters)
        assert told.retried, "no call was cut: the kills proved nothing"
        assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("acks", [1, 0])
def test_a_master_of_a_cluster_cut_off_from_its_replica_acknowledges_nothing_that_dies_with_it(
    tmp_path, acks
):
    """With 0 the same course loses acknowledged outcomes: that is what the setting is for."""
    slot = slots()["client0-0"]
    with six_nodes() as cluster, serving(cluster, tmp_path, acks=acks) as service:
        with load(service) as reporters:
            more_acknowledged(reporters, BETWEEN)
            master = cluster.master_of(slot)
            replica = cluster.replica_of(master)
            replica.process.send_signal(SIGSTOP)
            master.client.execute_command("CLIENT", "KILL", "TYPE", "replica")
            if acks:
                back(lambda: unproven(service) > THREADS)
            else:
                more_acknowledged(reporters, BETWEEN)
            master.kill()
            replica.process.send_signal(SIGCONT)
            back(lambda: cluster.master_of(slot) is replica)
            master.start()
            back(lambda: followed(cluster, slot))
            cluster.settled()
            more_acknowledged(reporters, BETWEEN)
        _, wrong = judged(service, reporters)
        assert all("is lost" in each for each in wrong), wrong
        assert bool(wrong) == (not acks)


def followed(cluster, slot):
    """Whether the slot's master has a replica in step."""
    return int(cluster.master_of(slot).info("replication")["connected_slaves"]) > 0


def unproven(service):
    """How many writes too few replicas were known to have."""
    lines = httpx.get(f"{service.url}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("amp_ack_unmet_total"))


def met(cluster):
    """What the nodes refused calls with."""
    return {name.removeprefix("errorstat_") for node in cluster.running for name in node.info("errorstats")}


def back(condition):
    """How long it took to come true, in seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + BACK_WITHIN_S, "it does not come back"
        time.sleep(0.02)
    return time.monotonic() - began


def reported(service, user):
    """Whether a context of this user is decided by the store; it changes nothing."""
    with httpx.Client(headers={"Authorization": f"Bearer {service.key}"}, trust_env=False) as client:
        answer = client.post(f"{service.url}/v1/context", json={"userId": user, "task": "come back"})
        return answer.status_code == 200 and not answer.json()["metadata"].get("degraded")
