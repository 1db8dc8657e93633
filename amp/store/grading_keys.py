"""Key names of sessions and their grading, beside keys.py."""

from typing import NamedTuple

from amp.store.keys import bridge_box, bucket
from amp.tenancy import Tenant

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
