"""A Valkey Cluster of three masters with a replica each on loopback, formed and broken by our own hand."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import memory_disk
import redis

from amp.store.cluster_slots import SLOTS
from amp.store.embedded import _DIE_WITH_PARENT, find_server

MASTERS = 3
NODE_TIMEOUT_MS = 1000
_FORMED_WITHIN_S = 30


class ServerNode:
    """One process of the cluster, on a port of its own."""

    def __init__(self, folder, port, bus, *, node_timeout_ms, password):
        self.folder = folder
        self.port = port
        self.bus = bus
        self._options = {
            "port": port,
            "bind": "127.0.0.1",
            "cluster-port": bus,
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": node_timeout_ms,
            "cluster-require-full-coverage": "no",
            "cluster-replica-validity-factor": 0,
            "repl-diskless-sync-delay": 0,
            "repl-ping-replica-period": 1,
            "dir": folder,
            "logfile": folder / "log",
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        if password:
            self._options |= {"requirepass": password, "primaryauth": password}
        self.client = redis.Redis("127.0.0.1", port, password=password, protocol=2, socket_timeout=10)
        self.client.response_callbacks.clear()  # replies as the server gave them
        self.process = None

    def start(self):
        """Starts the process, which ends with ours however that ends."""
        shim = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
        options = [str(part) for name, value in self._options.items() for part in (f"--{name}", value)]
        self.process = subprocess.Popen(
            [*shim, str(find_server().binary), *options], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            return self.client.ping()
        except redis.RedisError:
            return False

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def cluster(self, *words):
        return self.client.execute_command("CLUSTER", *words)

    @property
    def id(self):
        return self.cluster("MYID").decode()

    def info(self, section):
        told = self.client.execute_command("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in told if ":" in line)


class SixNodes:
    """The nodes, the first three of them masters at first."""

    def __init__(self, nodes, password=None):
        self.nodes = nodes
        self._login = f":{quote(password, safe='')}@" if password else ""
        self._auth = ("AUTH", password) if password else ()

    @property
    def url(self):
        """Names half of the nodes: those know the others."""
        return f"redis+cluster://{self._login}" + ",".join(f"127.0.0.1:{n.port}" for n in self.nodes[1::2])

    def form(self):
        """Meets, gives every master a third of the slots and a replica, and waits until all agree."""
        until(lambda: all(node.answers() for node in self.nodes), "the nodes do not answer")
        first = self.nodes[0]
        for number, node in enumerate(self.nodes):
            node.cluster("SET-CONFIG-EPOCH", number + 1)
            if node is not first:
                first.cluster("MEET", "127.0.0.1", node.port, node.bus)
        for number, node in enumerate(self.nodes[:MASTERS]):
            begin, end = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS - 1
            node.cluster("ADDSLOTSRANGE", begin, end)
        until(
            lambda: all(b"cluster_known_nodes:6" in node.cluster("INFO") for node in self.nodes),
            "the nodes do not know each other",
        )
        for master, replica in zip(self.nodes[:MASTERS], self.nodes[MASTERS:], strict=True):
            until(lambda r=replica, m=master: _done(r, "REPLICATE", m.id), "a replica has no master")
        self.settled()

    def settled(self):
        """Waits until every slot is served, and every replica that runs follows its master."""
        until(self._is_settled, "the cluster does not settle")

    def _is_settled(self):
        try:
            return all(self._agrees(node) for node in self.running)
        except redis.RedisError:
            return False

    def _agrees(self, node):
        replication = node.info("replication")
        linked = replication["role"] == "master" or replication["master_link_status"] == "up"
        told = node.cluster("INFO")
        masters = {tuple(served[2][:2]) for served in node.cluster("SLOTS")}
        whole = b"cluster_slots_ok:16384" in told and b"cluster_state:ok" in told
        with_replica = sum(len(served) > 3 for served in node.cluster("SLOTS"))
        return linked and whole and len(masters) == MASTERS and bool(with_replica)

    @property
    def running(self):
        return [node for node in self.nodes if node.process.poll() is None]

    def masters(self):
        return [node for node in self.running if node.info("replication")["role"] == "master"]

    def master_of(self, slot):
        """Who serves the slot now, as the nodes that run say."""
        for begin, end, (_, port, *_), *_ in self.running[0].cluster("SLOTS"):
            if begin <= slot <= end:
                return next(node for node in self.nodes if node.port == port)
        return None

    def replica_of(self, master):
        return next(
            node
            for node in self.running
            if (told := node.info("replication"))["role"] == "slave"
            and int(told["master_port"]) == master.port
        )

    def move(self, slot, target, *, pause=lambda: None, at_once=10):
        """Reshards one slot with its keys, as the tools do: some keys at a time, between other traffic."""
        source = self.master_of(slot)
        target.cluster("SETSLOT", slot, "IMPORTING", source.id)
        source.cluster("SETSLOT", slot, "MIGRATING", target.id)
        moved = 0
        while keys := source.cluster("GETKEYSINSLOT", slot, at_once):
            self.migrate(source, target, *keys)
            moved += len(keys)
            pause()
        for node in (target, source):  # in this order, or for a moment nobody has the slot
            node.cluster("SETSLOT", slot, "NODE", target.id)
        return moved

    def migrate(self, source, target, *keys):
        """Some keys of a slot that moves."""
        words = ("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, *self._auth, "KEYS", *keys)
        assert source.client.execute_command(*words) in {b"OK", b"NOKEY"}

    def empty(self):
        """Without data and functions, each slot with one master."""
        self.settled()
        for node in self.masters():
            node.client.execute_command("FLUSHALL")
            node.client.execute_command("FUNCTION", "FLUSH")


@contextmanager
def six_nodes(*, node_timeout_ms=NODE_TIMEOUT_MS, password=None):
    """A cluster in a folder of its own; nothing of it is left at the end."""
    folder = Path(tempfile.mkdtemp(prefix="amp-cluster-", dir=memory_disk.folder()))
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        ports = _free_ports(4 * MASTERS)
        nodes = []
        for number in range(2 * MASTERS):
            own = folder / str(number)
            own.mkdir()
            pair = ports[2 * number : 2 * number + 2]
            nodes.append(ServerNode(own, *pair, node_timeout_ms=node_timeout_ms, password=password))
        for node in nodes:
            node.start()
            ending.callback(node.client.close)
            ending.callback(node.kill)
        cluster = SixNodes(nodes, password)
        cluster.form()
        yield cluster


def until(told, what, within_s=_FORMED_WITHIN_S):
    """Asks again and again."""
    end = time.monotonic() + within_s
    while not told():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def _done(node, *words):
    try:
        return bool(node.cluster(*words))
    except redis.ResponseError:  # it has not heard of the master yet
        return False


def _free_ports(count):
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
