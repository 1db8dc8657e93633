"""Where a command belongs in a cluster, and what a node's refusals say. No network here."""

from binascii import crc_hqx
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from redis.exceptions import RedisError

from amp.store.line import Command

SLOTS = 16_384
_KEYLESS = frozenset(
    ("TIME", "PING", "ECHO", "PUBLISH", "INFO", "CONFIG", "FUNCTION", "SCRIPT", "CLUSTER", "CLIENT", "ROLE")
) | {
    "SCAN",
    "KEYS",
    "DBSIZE",
    "FLUSHALL",
    "FLUSHDB",
    "WAIT",
    "WAITAOF",
    "SLOWLOG",
    "LATENCY",
    "LASTSAVE",
    "ACL",
}
_KEY_SECOND = frozenset(("XINFO", "XGROUP", "OBJECT", "MEMORY"))
_KEYS_COUNTED = frozenset(("FCALL", "FCALL_RO", "EVAL", "EVALSHA"))
_EVERYWHERE = frozenset(
    ("FLUSHALL", "FLUSHDB", "KEYS", "DBSIZE", "FUNCTION LOAD", "FUNCTION FLUSH", "FUNCTION DELETE")
) | {"CONFIG SET", "FUNCTION RESTORE"}
_OF_ONE_NODE = frozenset(("SCAN", "MULTI", "EXEC", "WATCH", "SUBSCRIBE"))


class Node(NamedTuple):
    """Where a node listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class SlotMap:
    """Which master has which slot, as some node told it."""

    def __init__(self, ranges: Iterable[tuple[int, int, Node]] = (), others: Sequence[Node] = ()) -> None:
        """`ranges` are first and last slot and their master, `others` the replicas."""
        self._owners: list[Node | None] = [None] * SLOTS
        self.masters: list[Node] = []
        self.others = others
        for first, last, node in ranges:
            self._owners[first : last + 1] = [node] * (last + 1 - first)
            if node not in self.masters:
                self.masters.append(node)

    def owner(self, slot: int) -> Node | None:
        """None: nobody serves this slot."""
        return self._owners[slot]

    def move(self, slot: int, node: Node) -> None:
        """One slot's owner, as a refusal said it."""
        self._owners[slot] = node
        if node not in self.masters:
            self.masters.append(node)

    @property
    def whole(self) -> bool:
        """Whether every slot is served."""
        return None not in self._owners


class Part(NamedTuple):
    """Commands of one call that go to the same node, next to each other."""

    slot: int | None
    """None: any node will do."""
    places: tuple[int, ...]
    """Of the commands in the call."""


class Refusal(NamedTuple):
    """A node ran nothing, and says where to go, or (`again`) to come again."""

    kind: Literal["moved", "ask", "again"]
    slot: int = 0
    node: Node | None = None


def slot_of(key: bytes | str) -> int:
    """The slot of a key: of its hash tag, if it has one."""
    name = key.encode() if isinstance(key, str) else key
    opened = name.find(b"{")
    closed = name.find(b"}", opened + 1) if opened >= 0 else -1
    return _slot(name[opened + 1 : closed] if closed > opened + 1 else name)


@lru_cache(maxsize=8192)
def _slot(tag: bytes) -> int:
    return crc_hqx(tag, 0) % SLOTS


def key_of(command: Command) -> bytes | str | None:
    """The first key of a command; None when it has none. Whether the others share its slot says the node."""
    name = str(command[0]).upper()
    if name in _KEYLESS:
        return None
    if name in {"XREAD", "XREADGROUP"}:
        words = [str(word).upper() for word in command]
        return _name(command[words.index("STREAMS") + 1])
    if name in _KEYS_COUNTED:
        return _name(command[3]) if int(command[2]) else None
    return _name(command[2 if name in _KEY_SECOND else 1])


def goes_everywhere(command: Command) -> bool:
    """Whether every master has to run it.

    Raises:
        ValueError: it has a meaning on one node only, which only who asks can choose: `Store.nodes`.
    """
    name = str(command[0]).upper()
    if name in _OF_ONE_NODE:
        raise ValueError(f"{name} is of one node: ask each of Store.nodes()")
    return name in _EVERYWHERE or (len(command) > 1 and f"{name} {command[1]}".upper() in _EVERYWHERE)


def parts(commands: Sequence[Command]) -> list[Part]:
    """The commands by where they go, in their order.

    TIME goes with the next command that has a key, so that it is the clock of that key's node; other
    commands without a key go with the last that had one, so that what they announce is there already.
    """
    found: list[Part] = []
    clocks: list[int] = []
    for place, command in enumerate(commands):
        key = key_of(command)
        if key is not None:
            found.append(Part(slot_of(key), (*clocks, place)))
            clocks = []
        elif str(command[0]).upper() == "TIME":
            clocks.append(place)
        elif found:
            found[-1] = found[-1]._replace(places=(*found[-1].places, place))
        else:
            found.append(Part(None, (place,)))
    if clocks and found:
        found[-1] = found[-1]._replace(places=(*found[-1].places, *clocks))
    elif clocks:
        found.append(Part(None, tuple(clocks)))
    return found


def refusal(reply: object, asked: Node) -> Refusal | None:
    """What a reply says of where to go; None when it is the answer, or an error of another kind."""
    if not isinstance(reply, RedisError):
        return None
    word, _, rest = str(reply).partition(" ")
    if word in {"MOVED", "ASK"}:
        slot, _, address = rest.partition(" ")
        host, _, port = address.rpartition(":")
        node = Node(host.strip("[]") or asked.host, int(port))
        return Refusal("moved" if word == "MOVED" else "ask", int(slot), node)
    if word in {"TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY"}:
        return Refusal("again")
    return None


def read_map(reply: Sequence[Any], asked: Node) -> SlotMap:
    """What a node answers to CLUSTER SLOTS; one that does not know its own address is where it was asked."""
    ranges: list[tuple[int, int, Node]] = []
    others: list[Node] = []
    for first, last, master, *replicas in reply:
        ranges.append((int(first), int(last), _node(master, asked)))
        others += [_node(each, asked) for each in replicas]
    return SlotMap(ranges, others)


def _node(told: Sequence[Any], asked: Node) -> Node:
    host = (told[0] or b"").decode()
    return Node(asked.host if host in {"", "?"} else host, int(told[1]))


def _name(word: bytes | str | int) -> bytes | str:
    return str(word) if isinstance(word, int) else word
