"""Key names of the ledger, beside keys.py."""

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from amp.store.keys import BUCKETS, bucket
from amp.tenancy import Tenant

BOOK_VERSIONS = b"{amp}:books"
"""The same of prices, tools and rates, by tenant tag and kind; `book_version` is the fact."""
LEDGER_MARKS = b"{amp}:l:marks"
"""The tags of tenants whose ledgers were ever written to, by the number of the last mark that says so."""
LEDGER_MARKS_COUNT = b"{amp}:l:marks:count"


class JobKeys(NamedTuple):
    """Where one job's facts lie, in the order in which `ledger/store.lua` takes them."""

    entries: bytes
    """The bucket's stream of entries, never trimmed; the id of the n-th is `n-0`."""
    chain: bytes
    """The bucket's head: the last link, 20 bytes, then how many entries there are."""
    jobs: bytes
    """The bucket's jobs by the time they were made."""
    types: bytes
    """The types of the bucket's jobs."""
    job: bytes
    """The job's hash."""
    seen: bytes
    """What was metered for it: digests of ids to positions."""
    box: bytes
    """What the bridge has still to hear from this bucket."""


def job_keys(tenant: Tenant, job: str) -> JobKeys:
    return _of_job(tenant.tag, job)


@lru_cache(maxsize=4096)
def _of_job(tenant_tag: str, job: str) -> JobKeys:
    """What one job is metered for comes together."""
    name = job.encode()
    tag, of_bucket, box = _of_bucket(tenant_tag, bucket(name))
    return JobKeys(*of_bucket, tag + b"j:" + name, tag + b"x:" + name, box)


def job_key(tenant: Tenant, number: int, job: str) -> bytes:
    """The job itself, in its bucket."""
    return ledger_tag(tenant, number) + b"j:" + job.encode()


def no_job_keys(tenant: Tenant, transaction: str) -> JobKeys:
    """Those of a record without a job: its bucket, and one of many short tables, by its transaction."""
    name = transaction.encode()
    tag, of_bucket, box = _of_bucket(tenant.tag, bucket(name))
    table = int.from_bytes(blake2b(name, digest_size=2, person=b"no job").digest(), "big") >> 4
    return JobKeys(*of_bucket, tag + b"none", tag + b"y:%d" % table, box)


def bucket_of(name: str) -> int:
    """The bucket of a job, or of a transaction without one."""
    return bucket(name.encode())


@lru_cache(maxsize=16 * BUCKETS)
def _of_bucket(tenant_tag: str, number: int) -> tuple[bytes, tuple[bytes, bytes, bytes, bytes], bytes]:
    """What the ledger's keys of a bucket begin with, those that all its jobs share, and the bridge's box."""
    slot = b"{%s:%d}:" % (tenant_tag.encode(), number)
    tag = slot + b"l:"
    return tag, (tag + b"entries", tag + b"chain", tag + b"jobs", tag + b"types"), slot + b"box"


def ledger_tag(tenant: Tenant, number: int) -> bytes:
    """What the ledger's keys of one bucket begin with."""
    return _of_bucket(tenant.tag, number)[0]


def ledger_cells(tag: str) -> bytes:
    """What reports are made of: exact sums, a cell a field."""
    return b"{%s}:l:cells" % tag.encode()


def ledger_cursors(tag: str) -> bytes:
    """How many entries of each bucket are in the cells."""
    return b"{%s}:l:cursors" % tag.encode()


def ledger_version(tag: str) -> bytes:
    """Moves with every change of the cells."""
    return b"{%s}:l:version" % tag.encode()


def ledger_touched(tag: str) -> bytes:
    """The cells by the version that last changed them."""
    return b"{%s}:l:touched" % tag.encode()


def book_version(tag: str, kind: str) -> bytes:
    """The version of the tenant's prices, tools or rates; its documents lie in the same slot."""
    return b"{%s}:l:%s" % (tag.encode(), kind.encode())


def book_document(tag: str, kind: str, version: int) -> bytes:
    return b"{%s}:l:%s:%d" % (tag.encode(), kind.encode(), version)


def ledger_folding(tag: str) -> bytes:
    """Who folds entries into cells now."""
    return b"{%s}:l:folding" % tag.encode()
