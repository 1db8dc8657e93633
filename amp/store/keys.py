"""Every key name in the store. Keys of one user lie in one slot: `{tenant:env:bucket}` is the hash tag."""

from functools import lru_cache
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
LEDGER_MARKS = b"{amp}:l:marks"
"""The tags of tenants whose ledgers were ever written to, by the number of the last mark that says so."""
LEDGER_MARKS_COUNT = b"{amp}:l:marks:count"
REFIT_LEASE = b"{amp}:refit"
REFITS_ASKED = b"{amp}:refits:asked"
"""The number of each tenant's newest ask for a fit."""
REFITS_DONE = b"{amp}:refits:done"
"""What came of each tenant's last fit that was asked for."""
BRIDGE_NEWS = b"{amp}:bridge:news"
"""The boxes that something was put into: `tenant:env bucket`. A hint: what is not in it, a sweep finds."""
BRIDGE_LEASE = b"{amp}:bridge:lease"
BRIDGE_TOTALS = b"{amp}:bridge:totals"
"""What the bridge has done, over all tenants, and when it last looked."""
BRIDGE_SINCE = b"{amp}:bridge:since"
"""From when on its window holds, and the one before."""
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
    """Trimmed rows that are still inside the longer of the windows, by decided time."""
    events: bytes
    """The bucket's stream."""
    users: bytes
    """The bucket's known users."""
    words: bytes
    """What other ways than the agent's said of a decision, by nonce."""


def bucket(user: bytes) -> int:
    return blake2b(user, digest_size=1).digest()[0]


def user_keys(tenant: Tenant, user: str) -> UserKeys:
    name = user.encode()
    tag = bucket_tag(tenant, bucket(name))
    own = (tag + b":r:" + name, tag + b":d:" + name, tag + b":t:" + name)
    return UserKeys(*own, tag + b":events", tag + b":users", tag + b":w:" + name)


def record_key(tenant: Tenant, user: str) -> bytes:
    """The record alone: all that a decision reads."""
    name = user.encode()
    return bucket_tag(tenant, bucket(name)) + b":r:" + name


def bucket_tag(tenant: Tenant, number: int) -> bytes:
    return b"{%s:%d}" % (tenant.tag.encode(), number)


def recent_users(tenant: Tenant, number: int) -> bytes:
    """The bucket's users who were heard of last, by when."""
    return bucket_tag(tenant, number) + b":recent"


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
    box: bytes
    """What the bridge has still to hear from this bucket."""


def job_keys(tenant: Tenant, job: str) -> JobKeys:
    name = job.encode()
    tag, of_bucket, box = _of_bucket(tenant.tag, bucket(name))
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


SESSION_BUCKETS = 16
GRADING_NEWS = b"{amp}:g:news"
"""The channel that says which session was written: `tenant:env session seq version`."""
GRADING_TENANTS = b"{amp}:g:tenants"
"""The tags of tenants that ever made a session: where a sweep looks for sessions that nobody runs."""
GRADING_LANES = 16
GRADING_CALLS = b"{amp}:g:calls"
"""The channel that says that a lane has a new wake-up."""


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
    box: bytes
    """What the bridge has still to hear from this bucket."""
    lists: bytes
    """The bucket's sessions by what they are, and by the time they were made."""


def session_bucket(session: str) -> int:
    return bucket(session.encode()) % SESSION_BUCKETS


def session_keys(tenant: Tenant, session: str) -> SessionKeys:
    name = session.encode()
    number = session_bucket(session)
    tag, box = grading_tag(tenant.tag, number), bridge_box(tenant, number)
    first = tag + b"s:" + name, tag + b"e:" + name, tag + b"sessions", tag + b"running"
    return SessionKeys(*first, box, session_lists(tag))


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


def bridge_box(tenant: Tenant, number: int) -> bytes:
    """What the bridge has still to hear of one bucket's jobs and sessions, in the slot of both."""
    return bucket_tag(tenant, number) + b":box"


def bridge_counts(tenant: Tenant, number: int) -> bytes:
    """What the bridge has done with what it heard of the bucket."""
    return bucket_tag(tenant, number) + b":bridged"


def bridge_map_version(tag: str) -> bytes:
    """The version of the tenant's mapping; its documents lie in the same slot."""
    return b"{%s}:bridge:map" % tag.encode()


def bridge_map(tag: str, version: int) -> bytes:
    return b"{%s}:bridge:map:%d" % (tag.encode(), version)
