"""Every error code, its status and its headers. Contract: amp.md, section Errors."""

import json

import pytest
from envelopes import refused

KIB = 1024
HOT = ["/v1/context", "/v1/outcome"]
BODIES = [*HOT, "/v1/context/batch", "/v1/outcome/batch", "/v1/profile/ada"]


async def sent(client, path, content, **extra):
    return await client.request("PUT" if "profile" in path else "POST", path, content=content, **extra)


def padded(size):
    """An empty object of exactly so many bytes."""
    return b"{" + b" " * (size - 2) + b"}"


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_a_path_that_is_not_there_is_not_found(client, verb):
    for path in ("/", "/v1", "/v1/nothing", "/v1/profile", "/v1/profile/", "/v1//x", "/v1/profile/a/b"):
        refused(await client.request(verb, path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "verbs"),
    [
        *((path, ["GET", "PUT", "DELETE", "PATCH", "TRACE", "FOO"]) for path in BODIES[:4]),
        ("/v1/profile/ada", ["POST", "PATCH", "FOO"]),
        ("/v1/profile/ada/export", ["POST", "PUT", "DELETE"]),
        ("/v1/profile/ada/posterior", ["POST", "PUT", "DELETE"]),
        ("/livez", ["POST", "DELETE"]),
    ],
)
async def test_a_method_that_the_path_does_not_know_is_not_allowed(client, path, verbs):
    for verb in verbs:
        answer = await client.request(verb, path)
        refused(answer, 405, "METHOD_NOT_ALLOWED")
        allowed = answer.headers["Allow"].split(", ")
        assert verb not in allowed
        for other in allowed:
            assert (await client.request(other, path)).status_code != 405, other


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/context", "OPTIONS, POST"),
        ("/v1/profile/ada", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/livez", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_is_not_allowed_is_told_which_are(client, path, allowed):
    assert (await client.patch(path)).headers["Allow"] == allowed


@pytest.mark.parametrize("path", BODIES)
async def test_a_body_over_its_limit_is_too_large_whatever_is_in_it(client, path):
    limit = KIB * (1024 if "batch" in path else 64)
    refused(await sent(client, path, padded(limit + 1)), 413, "PAYLOAD_TOO_LARGE")
    refused(await sent(client, path, b"x" * (limit + 1)), 413, "PAYLOAD_TOO_LARGE")
    assert (await sent(client, path, padded(limit))).status_code != 413


@pytest.mark.parametrize("path", BODIES)
async def test_a_body_without_a_length_is_counted_as_it_comes(client, path):
    async def chunks():
        for _ in range(1200 if "batch" in path else 100):
            yield b" " * KIB

    refused(await sent(client, path, chunks()), 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("path", HOT)
async def test_a_body_in_pieces_is_put_together(client, path):
    body = {"userId": "ada", "task": "x", "requestId": await client.decided(), "started": True}

    async def pieces():
        for byte in json.dumps(body).encode():
            yield bytes([byte])

    assert (await sent(client, path, pieces())).status_code == 200


@pytest.mark.parametrize("path", BODIES)
async def test_the_content_type_does_not_matter(client, path):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/msgpack", "nonsense"):
        answer = await sent(client, path, b'{"items":[]}', headers={"Content-Type": kind})
        assert answer.status_code in {200, 400}
        if answer.status_code == 400:
            assert answer.json()["error"]["details"]["reason"] == "is required"


async def test_every_answer_names_its_request(client):
    answers = [await client.context(), await client.context(""), await client.get("/v1/profile/x")]
    answers += [await client.get("/livez"), await client.get("/nothing"), await client.put("/v1/context")]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == len(answers)


async def test_what_the_caller_says_never_comes_back_as_a_header(client):
    answer = await client.context("", metadata={"x": "\r\nX-Evil: 1"})
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize(
    ("path", "verb"),
    [
        ("/v1/context", "POST"),
        ("/v1/outcome", "POST"),
        ("/v1/profile/ada", "GET"),
        ("/v1/context/batch", "POST"),
    ],
)
async def test_an_error_of_ours_is_told_without_its_reason(client, path, verb, monkeypatch, caplog):
    def fails(*_, **__):
        raise ZeroDivisionError("the secret reason")

    for broken in ("amp.learning.validation.check_task", "amp.learning.validation.user_id"):
        monkeypatch.setattr(broken, fails)
    monkeypatch.setattr("amp.learning.validation.signals", fails)
    item = {"userId": "ada", "task": "x", "requestId": "req_x", "started": True}
    answer = await client.request(verb, path, json=item | {"items": [item]} if verb == "POST" else None)
    refused(answer, 500, "INTERNAL")
    assert "secret" not in answer.text
    assert "the secret reason" in caplog.text
