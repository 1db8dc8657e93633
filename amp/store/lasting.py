"""Which commands an answer may only follow when replicas have them; the one place where that is decided.

Everything that writes waits, unless it is named here: what is lost of it is made again, or missed by nobody.
"""

from amp.store.keys import BRIDGE_NEWS, BRIDGE_TOTALS, WORKERS
from amp.store.line import Command
from amp.store.trust_keys import HEADS_FAILING, KEYS_USED


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


READS = _words(
    "GET MGET HGET HMGET HGETALL HVALS HLEN EXISTS STRLEN TYPE TTL PTTL SMEMBERS SCARD SISMEMBER SRANDMEMBER "
    "SCAN SSCAN HSCAN ZSCAN LRANGE LLEN ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZCARD ZCOUNT ZSCORE "
    "XRANGE XREVRANGE XLEN XINFO XPENDING DUMP MEMORY DBSIZE TIME PING INFO CONFIG FUNCTION ROLE CLIENT "
    "CLUSTER COMMAND ASKING READONLY WAIT"
)
"""Change nothing, or nothing that a worker would not load again."""
HINTS = _words("PUBLISH XGROUP XREADGROUP XAUTOCLAIM XCLAIM XACK")
"""Who does what next: sessions that nobody was told of are found by a sweep."""
PASSING = _words(
    "amp_learning_lease amp_learning_release amp_bridge_lease amp_bridge_release "
    "amp_grading_renew "  # the lease itself waits: its fence must not come twice
    "amp_ledger_read amp_ledger_look "  # they only read
    "amp_ledger_walk amp_ledger_walk_ended "  # of a walk that is begun again
    "amp_insights_count amp_fits_announce amp_fits_name amp_users_seen amp_links_put "
    "amp_quota_take amp_quota_show"
)
"""Functions, without their version."""
_PASSING_KEYS = frozenset((HEADS_FAILING, KEYS_USED, BRIDGE_NEWS, BRIDGE_TOTALS, WORKERS))
_PASSING_NAMES = (
    *(b":turned:", b":counts:", b":insights", b":recent", b":g:work:"),
    *(b":l:verified", b":l:folding", b"amp:limit:"),
)
"""What a key's name begins with, behind its hash tag if it has one."""


def lasts(command: Command) -> bool:
    """Whether an answer that follows from this command has to wait for replicas."""
    verb = command[0]
    if verb == "FCALL":
        return str(command[1]).rpartition("_v")[0] not in PASSING
    if verb in READS or verb in HINTS:
        return False
    key = _key(command)
    return key not in _PASSING_KEYS and not key[key.find(b"}") + 1 :].startswith(_PASSING_NAMES)


def mark(command: Command) -> Command:
    """A write into the slot of this one, with no effect but that WAIT covers all that came before it.

    WAIT asks for what its own connection wrote last. A report that is there already writes nothing, and from
    Valkey 7.2 on its WAIT would answer at once, though the first report may be on no replica.
    """
    return ("SET", mark_key(_key(command)), b"")


def mark_key(key: bytes) -> bytes:
    """The key of the mark in the slot of this one."""
    start, end = key.find(b"{"), key.find(b"}")
    return (key[start : end + 1] if 0 <= start < end - 1 else b"{amp}") + b":ack"


def _key(command: Command) -> bytes:
    """The first key of a command; empty when it has none."""
    at = 3 if command[0] == "FCALL" else 1
    key = command[at] if len(command) > at else b""
    return key if isinstance(key, bytes) else b""
