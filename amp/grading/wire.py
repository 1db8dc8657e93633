"""What the calls carry in beside events. Contract: graded-outcomes.md, section 2."""
# ruff: noqa: RUF012  msgspec gives each its own

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from amp.errors import InvalidParameter
from amp.grading.inputs import InitialEvents, Strict

METADATA_MAX = 16
Key = Annotated[str, Meta(min_length=1, max_length=64)]
Metadata = Annotated[dict[Key, Annotated[str, Meta(max_length=512)]], Meta(max_length=METADATA_MAX)]
MetadataPatch = dict[Key, Annotated[str, Meta(max_length=512)] | None]
"""A value to set, or null to forget the key."""
Title = Annotated[str, Meta(max_length=1000)]
Named = Annotated[str, Meta(min_length=1, max_length=256)]
Text = Annotated[str, Meta(max_length=100_000)]
Tools = Annotated[list[dict[str, Any]], Meta(max_length=256)]
Servers = Annotated[list[dict[str, Any]], Meta(max_length=20)]
Skills = Annotated[list[dict[str, Any]], Meta(max_length=64)]
Level = Literal["low", "medium", "high", "xhigh", "max"]


class Effort(Strict):
    """How hard a model works."""

    type: Level


class ModelConfig(Strict):
    """A model and how it is to work."""

    id: Named
    effort: Level | Effort | None = None
    speed: Literal["standard", "fast"] | None = None
    inference_geo: str | None = None


class AgentReference(Strict, tag="agent", tag_field="type"):
    """An agent, or one of its versions."""

    id: str
    version: Annotated[int, Meta(ge=1)] | None = None


class AgentWithOverrides(Strict, tag="agent_with_overrides", tag_field="type"):
    """An agent that is otherwise for this one session; what is left out stays as it is."""

    id: str
    version: Annotated[int, Meta(ge=1)] | None = None
    model: Named | ModelConfig | UnsetType = UNSET
    system: Text | UnsetType | None = UNSET
    tools: Tools | UnsetType = UNSET
    mcp_servers: Servers | UnsetType = UNSET
    skills: Skills | UnsetType = UNSET


class FileMount(Strict, tag="file", tag_field="type"):
    """An uploaded file that the agent finds in its folder."""

    file_id: str
    mount_path: Annotated[str, Meta(max_length=512)] | None = None


class SessionRequest(Strict):
    """POST /v1/sessions."""

    agent: str | AgentReference | AgentWithOverrides
    environment_id: str
    title: Title | None = None
    metadata: Metadata = {}
    initial_events: InitialEvents = []
    resources: Annotated[list[FileMount], Meta(max_length=100)] = []
    vault_ids: Annotated[list[str], Meta(max_length=0)] = []
    """None can be attached: there are no vaults."""
    budget: None = None
    """None can be set: nothing here costs at list prices."""


class AgentPatch(Strict):
    """What may change of a session's agent."""

    tools: Tools | UnsetType | None = UNSET
    mcp_servers: Servers | UnsetType | None = UNSET


class SessionPatch(Strict):
    """POST /v1/sessions/{id}; what is left out stays."""

    title: Title | UnsetType | None = UNSET
    metadata: MetadataPatch | None = None
    agent: AgentPatch | None = None
    budget: None = None


class ServiceAccount(Strict):
    """The only identity that an agent runs under."""

    type: Literal["service_account"] = "service_account"


class AgentRequest(Strict):
    """POST /v1/agents."""

    model: Named | ModelConfig
    name: Named
    system: Text | None = None
    description: Annotated[str, Meta(max_length=2048)] | None = None
    tools: Tools = []
    skills: Skills = []
    mcp_servers: Servers = []
    metadata: Metadata = {}
    multiagent: None = None
    """A session has one thread."""
    execution_identity: ServiceAccount | None = None


class AgentUpdate(Strict):
    """POST /v1/agents/{id}; what is left out stays, null clears what can be empty."""

    version: Annotated[int, Meta(ge=1)] | None = None
    model: Named | ModelConfig | UnsetType = UNSET
    name: Named | UnsetType = UNSET
    system: Text | UnsetType | None = UNSET
    description: Annotated[str, Meta(max_length=2048)] | UnsetType | None = UNSET
    tools: Tools | UnsetType | None = UNSET
    skills: Skills | UnsetType | None = UNSET
    mcp_servers: Servers | UnsetType | None = UNSET
    metadata: MetadataPatch | None = None
    multiagent: None = None
    execution_identity: ServiceAccount | None = None


class SelfHosted(Strict, tag="self_hosted", tag_field="type"):
    """Workers of one's own do the work."""


class Unrestricted(Strict, tag="unrestricted", tag_field="type"):
    """Any network."""


class Limited(Strict, tag="limited", tag_field="type"):
    """A few hosts."""

    allowed_hosts: list[str] | None = None
    allow_mcp_servers: bool | None = None
    allow_package_managers: bool | None = None


class Packages(Strict):
    """What is to be installed."""

    type: Literal["packages"] = "packages"
    apt: list[str] | None = None
    cargo: list[str] | None = None
    gem: list[str] | None = None
    go: list[str] | None = None
    npm: list[str] | None = None
    pip: list[str] | None = None


class Cloud(Strict, tag="cloud", tag_field="type"):
    """The service itself does the work; it runs nothing, so network and packages are only kept."""

    networking: Unrestricted | Limited | None = None
    packages: Packages | None = None


class EnvironmentRequest(Strict):
    """POST /v1/environments."""

    name: Named
    config: Cloud | SelfHosted | None = None
    description: Annotated[str, Meta(max_length=2048)] | None = None
    metadata: Metadata = {}
    scope: Literal["organization"] | None = None


class EnvironmentUpdate(Strict):
    """POST /v1/environments/{id}; what is left out stays."""

    name: Named | None = None
    config: Cloud | SelfHosted | None = None
    description: Annotated[str, Meta(max_length=2048)] | UnsetType | None = UNSET
    metadata: MetadataPatch | None = None
    scope: Literal["organization"] | None = None


class WorkUpdate(Strict):
    """POST /v1/environments/{id}/work/{id}."""

    metadata: MetadataPatch


class WorkStop(Strict):
    """POST /v1/environments/{id}/work/{id}/stop."""

    force: bool = False


def patched(metadata: dict[str, str], patch: MetadataPatch | None) -> dict[str, str]:
    """The metadata after a patch, null and nothing forget a key.

    Raises:
        InvalidParameter: there are too many.
    """
    after = {**metadata, **(patch or {})}
    kept = {key: value for key, value in after.items() if value is not None}
    if len(kept) > METADATA_MAX:
        raise InvalidParameter("metadata", f"may have at most {METADATA_MAX} keys")
    return kept
