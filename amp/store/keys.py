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
RESTORING = b"{amp}:restoring"
"""There while a backup's keys are copied into this store: the backup's name."""
WORKERS = b"{amp}:workers"
"""Each worker's time and the prior versions that it holds."""


def sign_in_link(digest: str) -> bytes:
    """A one-time link to the dashboard, there until it is used."""
    return b"{amp}:link:" + digest.encode()


def signed_out(number: str) -> bytes:
    """There until a session of the dashboard, which was signed out, would have ended by itself."""
    return b"{amp}:out:" + number.encode()


def rate_limit(name: str, most: int) -> bytes:
    """How often this name was counted in its minute, of a limit of so many; in a slot of its own."""
    return b"amp:limit:%d:%s" % (most, name.encode())


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
    bridged: bytes
    """What the bridge, and what came after it, has made of what it heard of the bucket."""


def bucket(user: bytes) -> int:
    return blake2b(user, digest_size=1).digest()[0]


def user_keys(tenant: Tenant, user: str) -> UserKeys:
    name = user.encode()
    tag = bucket_tag(tenant, bucket(name))
    own = (tag + b":r:" + name, tag + b":d:" + name, tag + b":t:" + name)
    return UserKeys(*own, tag + b":events", tag + b":users", tag + b":w:" + name, tag + b":bridged")


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


def quota_months(tenant: Tenant) -> bytes:
    """What the tenant has used of each month's quota, in a slot of its own."""
    return b"{%s:quota}:months" % tenant.tag.encode()


def policy_version(tag: str) -> bytes:
    """The version of the tenant's policy; its documents lie in the same slot."""
    return b"{%s}:policy" % tag.encode()


def policy_document(tag: str, version: int) -> bytes:
    return b"{%s}:policy:%d" % (tag.encode(), version)


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
