"""Items of a box, read: what each says of its decision, as a lesson.

An item of the ledger names a job (`j`), the position of what is in force (`p`) and the decision's requestId
(`q`); one of the grading room an outcome (`o`), its result (`v`), its iteration (`i`) and `q`.
"""

from collections.abc import Sequence

from amp.bridge.mapping import Mapping, against, of_grade, of_job
from amp.bridge.store import Item
from amp.learning.teaching import Lesson
from amp.learning.words import Way
from amp.ledger.chain import Stored
from amp.ledger.entries import Amendment, Outcome, unpack
from amp.ledger.job import read_state
from amp.ledger.side import read_side
from amp.tenancy import Tenant

ONCE = 1
"""The step of a source that speaks once."""


def positions(items: Sequence[Item]) -> list[int]:
    """The ledger's entries that these items name."""
    return sorted({int(item.fields[b"p"]) for item in items if b"p" in item.fields})


def lesson(tenant: Tenant, item: Item, entries: dict[int, Stored], mapping: Mapping) -> Lesson:
    """What the item says.

    Raises:
        Exception: it cannot be read, or the entry that it names is not there or is no outcome.
    """
    request_id = item.fields[b"q"].decode()
    if b"o" in item.fields:
        signals = of_grade(mapping, item.fields[b"v"].decode(), int(item.fields[b"i"]))
        source = item.fields[b"o"].decode()
        return Lesson(tenant, request_id, Way.GRADED, source, item.put_ms, ONCE, signals)
    stored = entries[int(item.fields[b"p"])]
    entry = unpack(stored.entry)
    job = item.fields[b"j"].decode()
    if not isinstance(entry, Outcome | Amendment) or entry.job != job:
        raise ValueError(f"entry {stored.position} is no outcome of job {job!r}")
    worth = None
    if mapping.value_weight > 0.0:
        worth = against(entry.value_nanos, entry.currency, read_state(read_side(stored.side).before))
    signals = of_job(mapping, entry.status, entry.outcome, entry.metadata, worth)
    return Lesson(tenant, request_id, Way.BUSINESS, job, entry.at_ms, stored.position, signals)
