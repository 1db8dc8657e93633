"""Environments as documents: what was asked for, with everything a strict client expects filled in."""

from typing import Any

import msgspec

from amp.grading.times import rfc3339
from amp.grading.wire import Cloud, EnvironmentRequest, EnvironmentUpdate, Packages, SelfHosted, patched

Document = dict[str, Any]


def environment(name: str, request: EnvironmentRequest, now_us: int) -> Document:
    """A new environment."""
    return {
        "id": name,
        "type": "environment",
        "name": request.name,
        "config": config(request.config),
        "description": request.description,
        "metadata": request.metadata,
        "scope": "organization",
        "created_at": rfc3339(now_us),
        "updated_at": rfc3339(now_us),
        "archived_at": None,
    }


def environment_after(before: Document, update: EnvironmentUpdate, now_us: int) -> Document:
    """The environment as the update makes it.

    Raises:
        InvalidParameter: too much metadata.
    """
    patch = {key: value or None for key, value in (update.metadata or {}).items()}
    after = {**before, "metadata": patched(before["metadata"], patch), "updated_at": rfc3339(now_us)}
    if update.name is not None:
        after["name"] = update.name
    if update.config is not None:
        after["config"] = config(update.config, before["config"])
    if update.description is not msgspec.UNSET:
        after["description"] = update.description
    return after


def config(told: Cloud | SelfHosted | None, before: Document | None = None) -> Document:
    """A configuration in full; what a cloud's leaves out stays as it was before."""
    if isinstance(told, SelfHosted):
        return {"type": "self_hosted"}
    told = told or Cloud()
    old = before if before and before["type"] == "cloud" else {}
    return {
        "type": "cloud",
        "networking": _network(told) or old.get("networking") or {"type": "unrestricted"},
        "packages": _packages(told.packages)
        if told.packages
        else old.get("packages") or _packages(Packages()),
    }


def _network(told: Cloud) -> Document | None:
    if told.networking is None:
        return None
    given = msgspec.to_builtins(told.networking)
    if given["type"] == "unrestricted":
        return given
    return {"allowed_hosts": [], "allow_mcp_servers": False, "allow_package_managers": False, **given}


def _packages(told: Packages) -> Document:
    return {
        "type": "packages",
        **{name: getattr(told, name) or [] for name in ("apt", "cargo", "gem", "go", "npm", "pip")},
    }
