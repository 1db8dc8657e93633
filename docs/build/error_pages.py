"""The page of all errors, from `amp.errors`, as each API sends them."""

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path

import amp
from amp import errors
from amp.client import failures
from amp.http import problems

_WHAT: dict[str, tuple[str, str]] = {
    "INTERNAL": ("Something failed on our side; the log has the trace.", "Report it with the request's id."),
    "UNAUTHORIZED": ("The key is missing, unknown or revoked.", "Send a key that `amp keys list` has."),
    "KEY_EXPIRED": ("The key was good until its date.", "`amp keys rotate`."),
    "FORBIDDEN": ("The key lacks the scope that `details.scope` names.", "Make a key with that scope."),
    "INVALID_PARAMETER": (
        "A field is wrong: `details.field` says which, `details.reason` why. A body that is no JSON object too.",
        "Mend the request; sent again as it is, it fails again.",
    ),
    "INVALID_USER_ID": (
        "The user id is empty, over 256 characters, or has control characters.",
        "As `INVALID_PARAMETER`.",
    ),
    "INVALID_TASK": ("The task is empty or over 8,192 characters.", "As `INVALID_PARAMETER`."),
    "INVALID_PREFERENCE": (
        "A preference names an option that there is not.",
        "Take one of the options that the message names.",
    ),
    "NOT_FOUND": (
        "There is no such thing, or it is another tenant's: both look the same.",
        "Look at the id, and at the key: live or test?",
    ),
    "INVALID_REQUEST_ID": (
        "The `requestId` is unknown, forged, or of another tenant or environment.",
        "Report with the key's tenant and environment that asked for the context.",
    ),
    "METHOD_NOT_ALLOWED": ("The path does not know this verb.", "`Allow` names those it knows."),
    "OUTCOME_ALREADY_REPORTED": (
        "Another outcome stands for this decision or job. An identical report is no error but a replay.",
        "Nothing; or a correction: staged reports for decisions, an amendment for jobs.",
    ),
    "VERSION_CONFLICT": ("Another change came first.", "Read what stands, then change that."),
    "JOB_EXISTS": ("A job of that id was made before.", "Go on with it."),
    "IDEMPOTENCY_KEY_MISMATCH": (
        "This idempotency key came before with another body.",
        "Take a fresh key for another request.",
    ),
    "CONFLICT": ("It goes against what stands.", "Read the message; sent again it fails again."),
    "HEARTBEAT_PRECONDITION_FAILED": (
        "Another worker may hold the lease of this work.",
        "Stop working on it, and poll again.",
    ),
    "OUTCOME_NOT_REPORTED": ("There is no outcome to amend.", "Report it first."),
    "REQUEST_EXPIRED": (
        "The decision is older than the outcome window, or of before the user was erased.",
        "Nothing: it does not count. `AMP_OUTCOME_WINDOW` makes the window wider for decisions to come.",
    ),
    "PAYLOAD_TOO_LARGE": ("The body is over its limit, which the message names.", "Send less at a time."),
    "RATE_LIMIT_EXCEEDED": (
        "The key made more requests in a minute than `AMP_RATE_LIMIT` allows.",
        "Wait for `Retry-After` seconds, as the client does.",
    ),
    "QUOTA_EXCEEDED": ("The month's quota is used up.", "Raise it, or wait for the next month (UTC)."),
    "STORE_UNAVAILABLE": (
        "The store cannot take it now. Nothing was half done.",
        "Send it again after `Retry-After`: every write is safe to repeat.",
    ),
}
"""What it means, and what to do; of a code that is not here the tree of `amp.errors` tells."""
_AREAS = {
    "learning": "contexts, outcomes, profiles, policies",
    "ledger": "ledger",
    "grading": "sessions",
    "bridge": "bridge",
}


def page() -> str:
    """Every error, and the three shapes."""
    return "\n".join([_BEFORE, *_shapes(), "## By code", "", *_codes(), *_of_the_client()])


_BEFORE = """\
# Errors

Every refusal has a code, a status, and whether the same call may succeed later. The client raises the class of the same
name, from `amp.errors`; `get_context` and what reports in the background never raise.

A retry is always safe: every write knows itself again. The Python client retries what can be retried, with full jitter, and
keeps to `Retry-After`.
"""


def _classes() -> list[type[errors.AmpError]]:
    found = [each for each in vars(errors).values() if isinstance(each, type)]
    return [
        each
        for each in found
        if issubclass(each, errors.AmpError) and each not in {errors.AmpError, errors.InvalidInput}
    ]


def _shapes() -> Iterable[str]:
    yield from ("## Shapes", "", "The same refusal, an unknown field value, as each API answers it:", "")
    refused = errors.InvalidParameter("complexity", "must be low, medium or high")
    for words, path in (
        ("Contexts, outcomes, profiles, policies, insights, bridge", "/v1/context"),
        ("Ledger", "/v1/ledger/report"),
        ("Sessions, agents, environments, files", "/v1/sessions"),
    ):
        body = json.loads(problems.body(path, refused, "0f6c1b8d7a5e", 1_790_000_000_000))
        told = json.dumps(body, indent=2)
        yield from (f"**{words}**", "", "<!-- shown: an answer's body -->", "```json", told, "```", "")


def _codes() -> Iterable[str]:
    raised = _raised()
    by_code: dict[tuple[int, str], list[type[errors.AmpError]]] = {}
    for one in _classes():
        by_code.setdefault((one.status, one.code), []).append(one)
    for (status, code), classes in sorted(by_code.items()):
        what, then = _WHAT.get(code) or (_commented(classes[0].__name__), "")
        yield from (f"### {code} {{ #{code.lower()} }}", "")
        again = "a retry can help" if classes[0].retryable else "a retry does not help"
        areas = ", ".join(sorted({area for each in classes for area in raised.get(each.__name__, ())}))
        names = ", ".join(f"`{each.__name__}`" for each in classes)
        yield f"Status {status}, {again}; class {names}{f'; from: {areas}' if areas else ''}."
        yield from ("", f"{what} *What to do:* {then}" if then else what, "")


def _commented(name: str) -> str:
    """What the tree of `amp.errors` says of a class."""
    line = re.search(rf"── {name} +[\d ]*[A-Z_]* *(.*)$", errors.__doc__ or "", re.MULTILINE)
    words = line[1] if line else ""
    return words[:1].upper() + words[1:] + "." * bool(words)


def _raised() -> dict[str, set[str]]:
    """Which parts of the API make an error of each class."""
    package = Path(amp.__file__).parent
    names = {each.__name__ for each in _classes()}
    found: dict[str, set[str]] = {}
    for room, words in _AREAS.items():
        for file in (package / room).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Name) and node.id in names:
                    found.setdefault(node.id, set()).add(words)
    return found


def _of_the_client() -> Iterable[str]:
    yield from ("## From the client alone", "", "| class | |", "| --- | --- |")
    tree = re.findall(r"^[│ ]*[├└]── (\w+) +(\w+) +(.+)$", failures.__doc__ or "", re.MULTILINE)
    for name, code, words in tree:
        yield f"| `{name}`, `{code}` | {words} |"
    yield ""
