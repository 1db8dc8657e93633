"""All that the vendor's client can call is done or refused with a 4xx in its shape: never a 500."""

import inspect
from functools import cached_property

import anthropic
import pytest

LOCAL = {"messages", "webhooks"}
"""Parts of the client that have nothing to do with sessions, or call nobody."""
FILE = ("a.md", b"- x")


def calls(resource, path=""):
    """Every public method below a resource, by its path."""
    kind = type(resource)
    for name in dir(kind):
        if name.startswith(("_", "with_")):
            continue
        if isinstance(inspect.getattr_static(kind, name), cached_property):
            if name not in LOCAL:
                yield from calls(getattr(resource, name), f"{path}{name}.")
        elif inspect.isfunction(method := getattr(kind, name)):
            yield f"{path}{name}", getattr(resource, name), inspect.signature(method)


def given(signature, known):
    """An argument for each parameter that a call needs."""
    told = {}
    for name, parameter in signature.parameters.items():
        if name == "self" or parameter.default is not inspect.Parameter.empty:
            continue
        if name in known:
            told[name] = known[name]
        elif "FileTypes" in str(parameter.annotation):
            told[name] = [FILE] if "Sequence" in str(parameter.annotation) else FILE
        elif any(word in str(parameter.annotation) for word in ("Iterable", "List", "Sequence")):
            told[name] = []
        else:
            told[name] = "x_1"
    return told


async def answered(call, arguments):
    """How the server answers: a status, or why there is none."""
    try:
        found = call(**arguments)
        found = await found if inspect.isawaitable(found) else found
        if hasattr(found, "close") and inspect.iscoroutinefunction(found.close):
            await found.close()
    except anthropic.APIStatusError as error:
        in_its_shape = error.type and error.request_id and error.api_message
        return error.status_code if in_its_shape else f"not of its shape: {error}"
    except anthropic.APIResponseValidationError as error:
        return f"not of its model: {error}"
    except (TypeError, ValueError, RuntimeError) as error:
        return f"never sent: {error}"
    return 200


@pytest.mark.parametrize("real", [False, True])
async def test_nothing_is_a_500(client, session, agent, environment, real):
    """With ids of nothing, and with the ids of what there is."""
    known = {}
    if real:
        made = await session()
        file = await client.beta.files.upload(file=FILE)
        known = {"session_id": made.id, "agent_id": agent.id, "environment_id": environment.id}
        known["file_id"] = file.id
    found = {
        path: await answered(call, given(signature, known))
        for path, call, signature in sorted(calls(client.beta))
        if path.rpartition(".")[2] not in {"delete", "archive"} or not real
    }
    sent = {path: status for path, status in found.items() if isinstance(status, int)}
    wrong = {path: status for path, status in found.items() if str(status).startswith("not of its")}
    assert wrong == {}
    assert {status for status in sent.values() if not 200 <= status < 300} <= {400, 403, 404, 405}, sent
    assert len(sent) > 100, found
    assert any(path.startswith("sessions.threads.") for path in sent)
    assert any(path.startswith("sessions.resources.") for path in sent)
    done = {path for path, status in sent.items() if status == 200}
    assert real == ("sessions.retrieve" in done)
