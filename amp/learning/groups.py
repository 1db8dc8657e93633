"""Who is in the control group."""

from hashlib import blake2b

from amp.tenancy import Tenant


def is_control(tenant: Tenant, user: str, share: float, key: bytes) -> bool:
    """A keyed hash of the user: the same group at every call, and nobody can aim for one."""
    if tenant.env == "test" or not share:
        return False
    name = f"{tenant.tag}:{user}".encode()
    return int.from_bytes(blake2b(name, digest_size=8, key=key).digest()) < share * 2**64
