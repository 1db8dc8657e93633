"""What the agent gets when the server's answer does not come.

The approach is how an assistant helps when nobody told it anything about the user, so nothing is lost but the
personal touch. Contract: amp.md, "The client".
"""

import uuid
from typing import Any

from amp.client.types import Context, ContextMetadata, OutcomeReceipt
from amp.errors import AmpError

LOCAL_PREFIX = "req_local_"

NOT_SENT = OutcomeReceipt(
    success=False, message="Not sent: the context was this client's fallback, unknown to the server"
)


def fallback(error: AmpError) -> Context[Any]:
    """A context of our own; `metadata.fallback` is the error's code in lower case."""
    return Context(
        request_id=LOCAL_PREFIX + uuid.uuid4().hex,
        suggested_framing="achievement",
        communication_style="conversational",
        complexity="full_solution",
        encouragement="moderate",
        confidence=0.0,
        rationale="amp gave no answer to go by, so this is a default for users nothing is known of.",
        metadata=ContextMetadata(profile_phase="cold_start", fallback=error.code.lower()),
    )


def is_local(request_id: object) -> bool:
    """Whether the id was made here and means nothing to the server."""
    return isinstance(request_id, str) and request_id.startswith(LOCAL_PREFIX)
