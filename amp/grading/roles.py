"""Who plays an agent or a grader, by a model string. Contract: section 10."""

from collections.abc import Mapping
from typing import NamedTuple

import httpx

from amp.grading.agent import Agent, ModelAgent
from amp.grading.draft import Trouble
from amp.grading.grader import Grader, ModelGrader
from amp.grading.messages import BASE_URL, MessagesModel
from amp.grading.model import Model
from amp.grading.openai import OpenAIModel
from amp.grading.patience import RoleBroke
from amp.grading.plugin import Plugin
from amp.grading.scripted import ScriptAgent, ScriptGrader
from amp.grading.types import Head

GRADER = "grader"
"""The key of an agent's metadata that names its grader."""
WORKER = "worker"
SCRIPT = "script"


class Providers(NamedTuple):
    """What the operator has set."""

    scripts: bool = False
    llm_base_url: str | None = None
    llm_api_key: str | None = None
    llm_model: str | None = None
    """The name that the endpoint knows, for agents whose model names no provider."""
    grader_model: str | None = None
    each: bool = False
    plugins: frozenset[str] = frozenset()
    anthropic_base_url: str | None = None
    anthropic_api_key: str | None = None


class Roles:
    """Makes them; `client` is shared by all calls to models."""

    def __init__(self, providers: Providers, client: httpx.AsyncClient) -> None:
        self._set = providers
        self._client = client

    def agent(self, model: str) -> Agent:
        """Who works.

        Raises:
            RoleBroke: nobody plays this.
        """
        provider, name = self._resolved(model)
        if provider == SCRIPT:
            return ScriptAgent()
        if provider == "python":
            return Plugin(name, self._set.plugins)
        return ModelAgent(self.model(model))

    def grader(self, model: str) -> Grader:
        """Who judges.

        Raises:
            RoleBroke: nobody plays this.
        """
        provider, name = self._resolved(model)
        if provider == SCRIPT:
            return ScriptGrader()
        if provider == "python":
            return Plugin(name, self._set.plugins)
        return ModelGrader(self.model(model), each=self._set.each)

    def grader_of(self, head: Head) -> str:
        """The model string of the session's grader."""
        return head.agent_metadata.get(GRADER) or self._set.grader_model or agent_of(head)

    def model(self, model: str) -> Model:
        """A model that is called over HTTP.

        Raises:
            RoleBroke: its service is not set.
        """
        provider, name = self._resolved(model)
        if provider == "openai":
            if not self._set.llm_base_url:
                raise _unset(model, "AMP_LLM_BASE_URL")
            return OpenAIModel(self._client, self._set.llm_base_url, self._set.llm_api_key, name)
        if provider == "anthropic":
            if not self._set.anthropic_api_key:
                raise _unset(model, "ANTHROPIC_API_KEY")
            base_url = self._set.anthropic_base_url or BASE_URL
            return MessagesModel(self._client, base_url, self._set.anthropic_api_key, name)
        raise RoleBroke(Trouble("unknown_error", f"{model!r} is no model that can be called."))

    def _resolved(self, model: str) -> tuple[str, str]:
        """Provider and name; a bare name goes to the service that is set."""
        provider, colon, name = model.partition(":")
        if provider in {SCRIPT, WORKER} and not colon:
            if provider == SCRIPT and not self._set.scripts:
                raise _unset(model, "AMP_GRADING_SCRIPTS=1")
            return provider, ""
        if colon and name and provider in {"openai", "anthropic", "python"}:
            return provider, name
        if self._set.llm_base_url:
            return "openai", self._set.llm_model or model
        if self._set.anthropic_api_key:
            return "anthropic", self._set.llm_model or model
        raise _unset(model, "AMP_LLM_BASE_URL")


def agent_of(head: Head) -> str:
    """The model string of the session's agent."""
    model: object = head.agent.get("model")
    found = model.get("id") if isinstance(model, Mapping) else model  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return str(found)  # pyright: ignore[reportUnknownArgumentType]


def _unset(model: str, name: str) -> RoleBroke:
    return RoleBroke(Trouble("model_request_failed_error", f"Nobody plays {model!r}: {name} is not set."))
