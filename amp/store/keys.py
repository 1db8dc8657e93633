"""Every key name in the store. Keys of one user lie in one slot: `{tenant:env:bucket}` is the hash tag."""

from hashlib import blake2b
from typing import NamedTuple

from amp.tenancy import Tenant

BUCKETS = 256

KEYRING = b"{amp}:keys"
KEYRING_VERSION = b"{amp}:keys:version"
PRIOR_VERSIONS = b"{amp}:priors"
"""What workers poll: each tenant's prior version, announced after the fact; `prior_version` is the fact."""
POLICY_VERSIONS = b"{amp}:policies"
"""The same of policies; `policy_version` is the fact."""
SERVED_POLICY = b"{amp}:policies:served"
"""What the settings of whoever serves say: the policy of every tenant without its own."""
BOOK_VERSIONS = b"{amp}:books"
"""The same of prices, tools and rates, by tenant tag and kind; `book_version` is the fact."""
REFIT_LEASE = b"{amp}:refit"
REFITS_ASKED = b"{amp}:refits:asked"
"""The number of each tenant's newest ask for a fit."""
REFITS_DONE = b"{amp}:refits:done"
"""What came of each tenant's last fit that was asked for."""
KEYS_USED = b"{amp}:keys:used"
"""When each key, by its public id, was last used, in ms; at most a minute behind."""
WORKERS = b"{amp}:workers"
"""Each worker's time and the prior versions that it holds."""


def sign_in_link(digest: str) -> bytes:
    """A one-time link to the dashboard, there until it is used."""
    return b"{amp}:link:" + digest.encode()


class UserKeys(NamedTuple):
    """Where one user's facts lie, in the order in which `learning/store.lua` takes them."""

    record: bytes
    """A header of 48 or 96 bytes, and the rows."""
    details: bytes
    """Task type names, profile metadata, sums over trimmed rows."""
    trimmed: bytes
    """Trimmed rows that are still inside the outcome window, by decided time."""
    events: bytes
    """The bucket's stream."""
    users: bytes
    """The bucket's known users."""


def bucket(user: bytes) -> int:
    return blake2b(user, digest_size=1).digest()[0]


def user_keys(tenant: Tenant, user: str) -> UserKeys:
    name = user.encode()
    tag = bucket_tag(tenant, bucket(name))
    return UserKeys(
        tag + b":r:" + name, tag + b":d:" + name, tag + b":t:" + name, tag + b":events", tag + b":users"
    )


def record_key(tenant: Tenant, user: str) -> bytes:
    """The record alone: all that a decision reads."""
    name = user.encode()
    return bucket_tag(tenant, bucket(name)) + b":r:" + name


def bucket_tag(tenant: Tenant, number: int) -> bytes:
    return b"{%s:%d}" % (tenant.tag.encode(), number)


def prior_version(tag: str) -> bytes:
    """The version of the tenant's prior; its blobs lie in the same slot."""
    return b"{%s}:prior" % tag.encode()


def prior_blob(tag: str, version: int) -> bytes:
    return b"{%s}:prior:%d" % (tag.encode(), version)


def prior_hold(tag: str) -> bytes:
    """There while only an asked-for fit may replace the tenant's prior."""
    return b"{%s}:prior:held" % tag.encode()


def fit_records(tag: str) -> bytes:
    """What came of the tenant's last fits."""
    return b"{%s}:fits" % tag.encode()


def task_names(tag: str) -> bytes:
    """The names of the tenant's task types, by hash."""
    return b"{%s}:tasks" % tag.encode()


def counts(tenant: Tenant, day: int) -> bytes:
    """What the workers counted of one UTC day's decisions, a field a worker."""
    return b"{%s}:counts:%d" % (tenant.tag.encode(), day)


def snapshot(tenant: Tenant) -> bytes:
    """The newest measurement of what learning is worth."""
    return b"{%s}:insights" % tenant.tag.encode()


def turned_away(tenant: Tenant, day: int) -> bytes:
    """What was refused or degraded on one UTC day: `worker:what` to how often."""
    return b"{%s}:turned:%d" % (tenant.tag.encode(), day)


def policy_version(tag: str) -> bytes:
    """The version of the tenant's policy; its documents lie in the same slot."""
    return b"{%s}:policy" % tag.encode()


def policy_document(tag: str, version: int) -> bytes:
    return b"{%s}:policy:%d" % (tag.encode(), version)


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


def job_keys(tenant: Tenant, job: str) -> JobKeys:
    name = job.encode()
    tag = ledger_tag(tenant, bucket(name))
    return JobKeys(*_of_bucket(tag), tag + b"j:" + name, tag + b"x:" + name)


def job_key(tenant: Tenant, number: int, job: str) -> bytes:
    """The job itself, in its bucket."""
    return ledger_tag(tenant, number) + b"j:" + job.encode()


def no_job_keys(tenant: Tenant, transaction: str) -> JobKeys:
    """Those of a record without a job: its bucket, and one of many short tables, by its transaction."""
    name = transaction.encode()
    tag = ledger_tag(tenant, bucket(name))
    table = int.from_bytes(blake2b(name, digest_size=2, person=b"no job").digest(), "big") >> 4
    return JobKeys(*_of_bucket(tag), tag + b"none", tag + b"y:%d" % table)


def bucket_of(name: str) -> int:
    """The bucket of a job, or of a transaction without one."""
    return bucket(name.encode())


def _of_bucket(tag: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    return tag + b"entries", tag + b"chain", tag + b"jobs", tag + b"types"


def ledger_tag(tenant: Tenant, number: int) -> bytes:
    """What the ledger's keys of one bucket begin with."""
    return bucket_tag(tenant, number) + b":l:"


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


def ledger_verified(tag: str) -> bytes:
    """What the last walk over the tenant's chains has found."""
    return b"{%s}:l:verified" % tag.encode()


def ledger_folding(tag: str) -> bytes:
    """The worker that folds entries into cells now."""
    return b"{%s}:l:folding" % tag.encode()


SESSION_BUCKETS = 16
GRADING_NEWS = b"{amp}:g:news"
"""The channel that says which session has new events: `tenant:env session seq`."""
GRADING_TENANTS = b"{amp}:g:tenants"
"""The tags of tenants that ever made a session: where a sweep looks for sessions that nobody runs."""
GRADING_LANES = 16


class SessionKeys(NamedTuple):
    """Where one session lies, in the order in which `grading/store.lua` takes them."""

    session: bytes
    """The hash: version, seq, state, head, definitions, lease."""
    events: bytes
    """The stream of events; the id of the n-th is `n-0`."""
    made: bytes
    """The bucket's sessions by the time they were made."""
    running: bytes
    """The bucket's sessions that are running."""
    lists: bytes
    """The bucket's sessions by what they are, and by the time they were made."""


def session_bucket(session: str) -> int:
    return bucket(session.encode()) % SESSION_BUCKETS


def session_keys(tenant: Tenant, session: str) -> SessionKeys:
    name = session.encode()
    tag = grading_tag(tenant.tag, session_bucket(session))
    return SessionKeys(
        tag + b"s:" + name, tag + b"e:" + name, tag + b"sessions", tag + b"running", session_lists(tag)
    )


def session_lists(tag: bytes) -> bytes:
    """A bucket's sessions by what they are: of one that begins with `grading_tag`."""
    return tag + b"lists"


def grading_tag(tag: str, number: int) -> bytes:
    """What the keys of one bucket of sessions begin with."""
    return b"{%s:%d}:g:" % (tag.encode(), number)


def grading_lane(number: int) -> bytes:
    """A stream of sessions that have something to do; consumer group `loop`."""
    return b"{amp}:g:work:%d" % number


def session_once(tenant: Tenant, digest: str) -> bytes:
    """The session that a request made lately."""
    return b"{%s}:g:once:%s" % (tenant.tag.encode(), digest.encode())


def shelf_index(tenant: Tenant, kind: str) -> bytes:
    """The tenant's agents, environments or files by the time they were made."""
    return b"{%s}:g:i:%s" % (tenant.tag.encode(), kind.encode())


def shelf_item(tenant: Tenant, kind: str, item: str) -> bytes:
    """One of them: its version, its document, and the documents of the versions before."""
    return b"{%s}:g:k:%s:%s" % (tenant.tag.encode(), kind.encode(), item.encode())
