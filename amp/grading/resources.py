"""Agents as documents: what was asked for, with everything a strict client expects filled in."""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from amp.errors import InvalidParameter
from amp.grading.times import rfc3339
from amp.grading.wire import (
    AgentPatch,
    AgentRequest,
    AgentUpdate,
    AgentWithOverrides,
    ModelConfig,
    patched,
)

Document = dict[str, Any]

_IDENTITY = {"type": "service_account"}
_ALLOW = {"type": "always_allow"}
_POLICIES = ("always_allow", "always_ask", "auto")
TOOLSET = "agent_toolset_20260401"
_BUILT_IN = ("bash", "edit", "read", "write", "glob", "grep", "web_fetch", "web_search")
_SNAPSHOT = (
    "id",
    "type",
    "name",
    "version",
    "model",
    "tools",
    "skills",
    "mcp_servers",
    "execution_identity",
    "description",
    "system",
    "multiagent",
)
"""What a session keeps of its agent."""


def agent(name: str, request: AgentRequest, now_us: int) -> Document:
    """A new agent, version 1.

    Raises:
        InvalidParameter: the field is named.
    """
    return {
        "id": name,
        "type": "agent",
        "version": 1,
        "name": request.name,
        "model": model(request.model),
        "description": request.description,
        "system": request.system,
        "tools": tools(request.tools),
        "skills": skills(request.skills),
        "mcp_servers": servers(request.mcp_servers),
        "multiagent": None,
        "execution_identity": _IDENTITY,
        "metadata": request.metadata,
        "created_at": rfc3339(now_us),
        "updated_at": rfc3339(now_us),
        "archived_at": None,
    }


def agent_after(before: Document, update: AgentUpdate, now_us: int) -> Document:
    """The agent's next version; the very same one when nothing would change.

    Raises:
        InvalidParameter: the field is named.
    """
    after = {**before, "metadata": patched(before["metadata"], update.metadata)}
    for name, value in _given(update, "name", "system", "description"):
        after[name] = value or None
    after |= _parts(update)
    if after == before:
        return before
    return {**after, "version": before["version"] + 1, "updated_at": rfc3339(now_us)}


def snapshot(document: Document, overrides: AgentWithOverrides | None = None) -> Document:
    """The agent as a session keeps it.

    Raises:
        InvalidParameter: the field is named.
    """
    kept = {name: document[name] for name in _SNAPSHOT}
    if overrides is None:
        return kept
    return kept | dict(_given(overrides, "system")) | _parts(overrides)


def refitted(kept: Document, patch: AgentPatch) -> Document:
    """A session's agent with other tools or servers.

    Raises:
        InvalidParameter: the field is named.
    """
    return kept | _parts(patch)


def _parts(told: Any) -> Document:
    """The parts of an agent that were given, in full."""
    full: dict[str, Callable[[Any], Any]] = {
        "model": model,
        "tools": tools,
        "skills": skills,
        "mcp_servers": servers,
    }
    return {name: full[name](value or []) for name, value in _given(told, *full)}


def _given(told: Any, *names: str) -> list[tuple[str, Any]]:
    each = ((name, getattr(told, name, msgspec.UNSET)) for name in names)
    return [(name, value) for name, value in each if value is not msgspec.UNSET]


def model(told: str | ModelConfig) -> Document:
    """A model with how it is to work."""
    if isinstance(told, str):
        told = ModelConfig(told)
    effort = told.effort if isinstance(told.effort, str | None) else told.effort.type
    return {
        "id": told.id,
        "effort": {"type": effort} if effort else None,
        "speed": told.speed or "standard",
        "inference_geo": told.inference_geo,
    }


def tools(told: list[Document]) -> list[Document]:
    """Tools in full.

    Raises:
        InvalidParameter: one is of no known type, or lacks what its type needs.
    """
    return [_tool(f"tools[{number}]", each) for number, each in enumerate(told)]


def _tool(where: str, told: Document) -> Document:
    match told.get("type"):
        case "custom":
            _texts(where, told, "name", "description")
            schema = told.get("input_schema")
            if not isinstance(schema, dict):
                raise InvalidParameter(f"{where}.input_schema", "must be an object")
            return {name: told[name] for name in ("type", "name", "description", "input_schema")}
        case "agent_toolset_20260401":
            return {
                "type": TOOLSET,
                "default_config": _config(where, told.get("default_config") or {}, {}),
                "configs": [
                    _built_in(where, each) for each in _objects(f"{where}.configs", told.get("configs"))
                ],
            }
        case "mcp_toolset":
            _texts(where, told, "mcp_server_name")
            return {
                "type": "mcp_toolset",
                "mcp_server_name": told["mcp_server_name"],
                "default_config": _config(where, told.get("default_config") or {}, {}),
                "configs": [
                    _config(where, each, {"name": str(each.get("name"))})
                    for each in _objects(f"{where}.configs", told.get("configs"))
                ],
            }
        case _:
            raise InvalidParameter(f"{where}.type", f"must be custom, {TOOLSET} or mcp_toolset")


def _built_in(where: str, told: Document) -> Document:
    name = told.get("name") or told.get("type")
    if name not in _BUILT_IN:
        raise InvalidParameter(f"{where}.configs", f"the name must be one of {', '.join(_BUILT_IN)}")
    return _config(where, told, {"name": name, "type": name})


def _config(where: str, told: Document, more: Document) -> Document:
    policy: Any = told.get("permission_policy") or _ALLOW
    if not isinstance(policy, dict) or cast("Document", policy).get("type") not in _POLICIES:
        raise InvalidParameter(f"{where}.permission_policy", f"must be one of {', '.join(_POLICIES)}")
    enabled = told.get("enabled")
    if not isinstance(enabled, bool | None):
        raise InvalidParameter(f"{where}.enabled", "must be true or false")
    return {"enabled": enabled is not False, "permission_policy": policy, **more}


def skills(told: list[Document]) -> list[Document]:
    """Skills in full; they are kept and not run.

    Raises:
        InvalidParameter: one is of no known type, or lacks what its type needs.
    """
    found: list[Document] = []
    for number, each in enumerate(told):
        where = f"skills[{number}]"
        if each.get("type") not in ("anthropic", "custom"):
            raise InvalidParameter(f"{where}.type", "must be anthropic or custom")
        _texts(where, each, "skill_id")
        found.append(
            {
                "type": each["type"],
                "skill_id": each["skill_id"],
                "version": str(each.get("version") or "latest"),
            }
        )
    return found


def servers(told: list[Document]) -> list[Document]:
    """MCP servers in full; they are kept and not called.

    Raises:
        InvalidParameter: one lacks what it needs.
    """
    for number, each in enumerate(told):
        where = f"mcp_servers[{number}]"
        if each.get("type") != "url":
            raise InvalidParameter(f"{where}.type", "must be url")
        _texts(where, each, "name", "url")
    names = [each["name"] for each in told]
    if len(set(names)) != len(names):
        raise InvalidParameter("mcp_servers", "must have names of their own")
    return [{"type": "url", "name": each["name"], "url": each["url"]} for each in told]


def _objects(where: str, told: Any) -> list[Document]:
    listed: list[Any] = [] if told is None else told
    if not isinstance(told, list | None) or not all(isinstance(each, dict) for each in listed):
        raise InvalidParameter(where, "must be a list of objects")
    return listed


def _texts(where: str, told: Document, *names: str) -> None:
    for name in names:
        if not isinstance(told.get(name), str) or not told[name]:
            raise InvalidParameter(f"{where}.{name}", "must be a string that is not empty")
