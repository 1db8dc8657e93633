"""A user's history, packed: one fixed 48-byte row an outcome, and nothing about it that is a belief.

Little endian. `store.lua` reads the first 26 bytes (nonce, decided, reported, fingerprint, final, step) and
the last ten (satisfaction to hour): change them there too. Source: architecture.md, "Redis holds facts, not
beliefs".
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import msgspec
import numpy as np

from amp.learning.types import History, Policy, Signals

ROW = np.dtype(
    [
        ("nonce", "<u8"),
        ("decided_low", "<u4"),  # milliseconds since 1970, 48 bits in two fields
        ("decided_high", "<u2"),
        ("reported_after_ms", "<u4"),  # written by the store's own clock; stays at its maximum past 49 days
        ("fingerprint", "V6"),  # of the canonical report: tells a retry from a different second report
        ("final", "u1"),
        ("step", "u1"),
        ("task_hash", "<u4"),
        ("prior_version", "<u4"),
        ("policy_version", "<u2"),
        ("combination", "<u2"),
        ("satisfaction", "<u2"),  # in 1/10,000
        ("start_low", "<u4"),  # time to start in milliseconds, 40 bits in two fields
        ("start_high", "u1"),
        ("signals", "u1"),  # bits below
        ("circumstance", "u1"),  # bits below; the complexity level in the two lowest
        ("hour", "u1"),  # of the user's own clock
    ]
)
ROW_BYTES = ROW.itemsize
# The two times that lie in two fields, read in one go: of the eight bytes the upper ones are other fields.
_TIMES = np.dtype(
    {"names": ["decided", "start"], "formats": ["<i8", "<i8"], "offsets": [8, 40], "itemsize": ROW_BYTES}
)
_48_BITS, _40_BITS = (1 << 48) - 1, (1 << 40) - 1
_LAYOUT = struct.Struct("<QIHI6sBBIIHHHIBBBB")  # ROW again: numpy takes 10 times as long to fill one record
KEPT_ROWS = 512
"""Rows a reader uses; the store keeps up to 64 more before it trims."""
NONCE_BYTES = 8

STARTED, COMPLETED_SAID, COMPLETED, FLOW_SAID, FLOW, START_TIME_SAID, SATISFACTION_SAID, FILLED = (
    1 << bit for bit in range(8)
)
"""FILLED: another way than the agent's spoke of this decision too (words.py)."""
LEVEL_MASK = 0b11
CONTROL, FLOORED, EXPLORED, DEGRADED, SHADOW, SILENT = (1 << bit for bit in range(2, 8))
"""SILENT: the agent itself has said nothing of this decision."""

SATISFACTION_SCALE = 10_000


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What was decided for whom; travels inside the requestId and becomes the row's first half."""

    nonce: int
    decided_ms: int
    combination: int
    task_hash: int
    level: int
    hour: int
    policy_version: int
    prior_version: int
    control: bool = False
    floored: bool = False
    explored: bool = False
    degraded: bool = False
    """Decided without the store: on the prior alone, and by the application's clock."""
    excluded: int = 0
    """Options that the request ruled out, as in `Ask`; kept in the token and the log, not in the row."""
    shadow: int | None = None
    """What would have been picked, where the baseline was served (shadow mode); kept like `excluded`."""

    @property
    def circumstance(self) -> int:
        """The bits of the row's field of that name."""
        return (
            self.level
            | (CONTROL * self.control)
            | (FLOORED * self.floored)
            | (EXPLORED * self.explored)
            | (DEGRADED * self.degraded)
            | (SHADOW * (self.shadow is not None))
        )


@lru_cache(maxsize=4096)
def task_hash(task_type: str) -> int:
    """The row's 32-bit name of a task type; 0 is "no task type"."""
    if not task_type:
        return 0
    return int.from_bytes(blake2b(task_type.encode(), digest_size=4).digest(), "little") or 1


def pack(decision: Decision, signals: Signals, *, fingerprint: bytes, final: bool, step: int) -> bytes:
    """One row of `ROW_BYTES`; `reported_after_ms` is left 0 for the store's clock."""
    start_ms = signals.time_to_start_ms or 0
    return _LAYOUT.pack(
        decision.nonce,
        decision.decided_ms & 0xFFFFFFFF,
        decision.decided_ms >> 32,
        0,
        fingerprint,
        final,
        step,
        decision.task_hash,
        decision.prior_version,
        decision.policy_version,
        decision.combination,
        round((signals.satisfaction or 0.0) * SATISFACTION_SCALE),
        start_ms & 0xFFFFFFFF,
        start_ms >> 32,
        signal_bits(signals),
        decision.circumstance,
        decision.hour,
    )


def unsaid(decision: Decision) -> bytes:
    """The row of a decision that nobody has spoken of: what another way's word is put into."""
    row = bytearray(pack(decision, Signals(started=False), fingerprint=bytes(6), final=False, step=0))
    row[-2] |= SILENT
    return bytes(row)


def signal_bits(signals: Signals) -> int:
    """The bits of the row's field `signals`."""
    return (
        (STARTED * signals.started)
        | (COMPLETED_SAID * (signals.completed is not None))
        | (COMPLETED * bool(signals.completed))
        | (FLOW_SAID * (signals.flow_state is not None))
        | (FLOW * bool(signals.flow_state))
        | (START_TIME_SAID * (signals.time_to_start_ms is not None))
        | (SATISFACTION_SAID * (signals.satisfaction is not None))
    )


def unpack(packed: bytes | None) -> History:
    """The newest `KEPT_ROWS` rows in (decided, nonce) order, whatever the order of arrival.

    Raises:
        ValueError: the length is not a whole number of rows.
    """
    return every(packed)[-KEPT_ROWS:]


def every(packed: bytes | None) -> History:
    """All rows that are stored, up to 64 more than `unpack` gives, in the same order.

    Raises:
        ValueError: the length is not a whole number of rows.
    """
    return _ordered([packed or b""])[0]


def unpack_all(packed: Sequence[bytes]) -> list[History]:
    """`unpack` for many users at a fraction of the time.

    Raises:
        ValueError: a length is not a whole number of rows.
    """
    return [history[-KEPT_ROWS:] for history in _ordered(packed)]


def _ordered(packed: Sequence[bytes]) -> list[History]:
    if any(len(each) % ROW_BYTES for each in packed):
        raise ValueError(f"a history must be a whole number of rows of {ROW_BYTES} bytes")
    if len(packed) == 1:
        return [_in_order(np.frombuffer(packed[0], ROW))]
    together = np.frombuffer(b"".join(packed), ROW)
    ends: list[int] = np.cumsum([len(each) // ROW_BYTES for each in packed]).tolist()
    starts = [0, *ends[:-1]]
    decided = decided_ms(together)
    rising = decided[1:] > decided[:-1]
    rising[[start - 1 for start in starts if 0 < start < together.size]] = True  # from one user to the next
    histories = [together[start:end] for start, end in zip(starts, ends, strict=True)]
    return histories if rising.all() else [_in_order(rows) for rows in histories]


def _in_order(rows: History) -> History:
    decided = decided_ms(rows)
    if (decided[1:] > decided[:-1]).all():  # arrived in order, as nearly always
        return rows
    return rows[np.lexsort((rows["nonce"], decided))]


def joined(histories: Sequence[History]) -> History:
    """All rows in a row; joined as plain bytes, because numpy joins records 20 times slower."""
    if len(histories) == 1:
        return histories[0]
    raw = np.dtype(f"V{ROW_BYTES}")
    return np.concatenate([history.view(raw) for history in histories]).view(ROW)


def deciding(history: History, policy: Policy) -> History:
    """The rows that decisions rest on: all, or while learning is frozen those reported until then."""
    if policy.mode != "frozen":
        return history
    return history[decided_ms(history) + history["reported_after_ms"] <= policy.frozen_ms]


def decided_ms(rows: History) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """When each row was decided, in milliseconds since 1970; shape (n,)."""
    return rows.view(_TIMES)["decided"] & _48_BITS


def start_ms(rows: History) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Time to start of each row in milliseconds (0 where not said); shape (n,)."""
    return rows.view(_TIMES)["start"] & _40_BITS


def has(rows: History, bit: int, field: str = "signals") -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which rows have this bit of `signals` or `circumstance` set; shape (n,)."""
    return (rows[field] & bit) != 0


def signals(row: np.void) -> Signals:
    """The signals of one row, as they were reported (satisfaction to four digits)."""
    bits = int(row["signals"])
    return Signals(
        started=bool(bits & STARTED),
        completed=bool(bits & COMPLETED) if bits & COMPLETED_SAID else None,
        time_to_start_ms=(int(row["start_high"]) << 32) | int(row["start_low"])
        if bits & START_TIME_SAID
        else None,
        flow_state=bool(bits & FLOW) if bits & FLOW_SAID else None,
        satisfaction=int(row["satisfaction"]) / SATISFACTION_SCALE if bits & SATISFACTION_SAID else None,
    )


def said_by(row: np.void) -> list[str]:
    """Whose words a row is made of."""
    silent, filled = int(row["circumstance"]) & SILENT, int(row["signals"]) & FILLED
    return [name for name, spoke in (("agent", not silent), ("bridge", filled)) if spoke]
