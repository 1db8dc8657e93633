"""Key names of what is kept about trust, beside keys.py."""

from amp.tenancy import Tenant

KEYS_USED = b"{amp}:keys:used"
"""When each key, by its public id, was last used, in ms; at most a minute behind."""
HEADS_FAILING = b"{amp}:heads:failing"
"""There while some worker cannot write where the ledger's chains end."""


def turned_away(tenant: Tenant, day: int) -> bytes:
    """What was refused or degraded on one UTC day: `worker:what` to how often."""
    return b"{%s}:turned:%d" % (tenant.tag.encode(), day)


def ledger_verified(tag: str) -> bytes:
    """What the last walk over the tenant's chains has found."""
    return b"{%s}:l:verified" % tag.encode()


def ledger_verifying(tag: str) -> bytes:
    """There while a walk over the tenant's chains that a page asked for is under way: whose it is."""
    return b"{%s}:l:verified:now" % tag.encode()


def ledger_walk(tag: str) -> bytes:
    """The last walk that a page asked for: when it began, how far it is or was, why it came to no end."""
    return b"{%s}:l:verified:walk" % tag.encode()
