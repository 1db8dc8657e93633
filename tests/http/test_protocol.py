"""What HTTP/1.1 allows around a hot call: in pieces, in rows, by halves, and by those who hang up."""

import asyncio
import json
from urllib.parse import urlsplit

import pytest

BODY = json.dumps({"userId": "ada", "task": "x"}).encode()
LENGTH = len(BODY)


@pytest.fixture
async def line(wire):
    """A connection: its reader and writer."""
    address = urlsplit(wire)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    yield reader, writer
    writer.close()
    await writer.wait_closed()


@pytest.fixture
def head(client):
    """The head of a request, with more headers where they are wanted."""

    def written(path="/v1/context", *more, length=LENGTH, version="1.1"):
        lines = [
            f"POST {path} HTTP/{version}",
            "Host: x",
            f"Authorization: {client.headers['Authorization']}",
        ]
        lines += [] if length is None else [f"Content-Length: {length}"]
        return "\r\n".join([*lines, *more, "", ""]).encode()

    return written


async def answer(reader):
    """The status, headers and body of the next answer."""
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines if each)}
    body = await reader.readexactly(int(headers["content-length"]))
    return int(status.split()[1]), headers, json.loads(body)


async def test_a_request_in_single_bytes_is_one_request(line, head):
    reader, writer = line
    for byte in head() + BODY:
        writer.write(bytes([byte]))
        await writer.drain()
    status, headers, body = await answer(reader)
    assert (status, headers["x-request-id"] != "") == (200, True)
    assert body["requestId"].startswith("req_")


async def test_a_connection_is_used_again(line, head):
    reader, writer = line
    for _ in range(3):
        writer.write(head() + BODY)
        assert (await answer(reader))[0] == 200


async def test_requests_in_a_row_are_answered_in_their_order(line, head):
    """Pipelined: all are sent before the first answer is read."""
    reader, writer = line
    bad = b'{"userId":"","task":"x"}'
    kinds = [(head(), BODY, 200), (head(length=len(bad)), bad, 400), (head("/v1/nothing"), BODY, 404)] * 3
    writer.write(b"".join(start + body for start, body, _ in kinds))
    assert [(await answer(reader))[0] for _ in kinds] == [status for _, _, status in kinds]


async def test_chunks_are_put_together(line, head):
    reader, writer = line
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, BODY[at : at + 1]) for at in range(len(BODY)))
    writer.write(head("/v1/context", "Transfer-Encoding: chunked", length=None) + chunks + b"0\r\n\r\n")
    assert (await answer(reader))[0] == 200


async def test_who_expects_a_100_gets_one(line, head):
    reader, writer = line
    writer.write(head("/v1/context", "Expect: 100-continue"))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(BODY)
    assert (await answer(reader))[0] == 200


async def test_who_asks_for_the_end_of_the_connection_gets_it(line, head):
    reader, writer = line
    writer.write(head("/v1/context", "Connection: close") + BODY)
    status, headers, _ = await answer(reader)
    assert (status, headers["connection"]) == (200, "close")
    assert await reader.read() == b""


@pytest.mark.parametrize(("path", "version"), [("/v1/context", "1.0"), ("/v1/context?a=b", "1.1")])
async def test_what_is_not_plain_is_answered_all_the_same(line, head, path, version):
    reader, writer = line
    writer.write(head(path, version=version) + BODY)
    assert (await answer(reader))[0] == 200


async def test_a_body_that_never_ends_is_too_large_and_not_kept(line, head):
    reader, writer = line
    writer.write(head(length=1_000_000))
    for _ in range(10):
        writer.write(b" " * 100_000)
        await writer.drain()
    status, _, body = await answer(reader)
    assert (status, body["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


UNREADABLE = {
    "an unknown method": (b"FOO / HTTP/1.1", 405, None),
    "another unknown method": (b"BREW /pot HTTP/1.1", 405, None),
    "a method in small letters": (b"get /livez HTTP/1.1", 405, None),
    "a raw path": ("GET /v1/profile/é HTTP/1.1".encode(), 400, "path"),
    "no path": (b"GET livez HTTP/1.1", 400, "path"),
    "a tunnel": (b"CONNECT example.com:443 HTTP/1.1", 400, "path"),
    "a version that never was": (b"GET /livez HTTP/9.1", 400, "request"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM", 400, "request"),
    "two words for a name": (b"GET /livez HTTP/1.1\r\na b: x", 400, "request"),
    "a length that is none": (b"POST /v1/context HTTP/1.1\r\nContent-Length: x", 400, "request"),
}


@pytest.mark.parametrize(("start", "status", "field"), UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_what_cannot_be_read_is_refused_in_the_envelope_and_the_connection_ends(
    line, start, status, field
):
    reader, writer = line
    writer.write(start + b"\r\n\r\n")
    found, headers, body = await answer(reader)
    error = body["error"]
    code = "METHOD_NOT_ALLOWED" if status == 405 else "INVALID_PARAMETER"
    assert (found, error["code"], error["details"].get("field")) == (status, code, field)
    assert set(error) == {"code", "message", "details", "requestId", "timestamp"}
    assert error["requestId"] == headers["x-request-id"]
    assert (headers["content-type"], headers["connection"]) == ("application/json", "close")
    assert await reader.read() == b""


async def test_who_hangs_up_early_harms_nobody(wire, head, line):
    address = urlsplit(wire)
    for sent in (head(), head() + BODY, head()[:20]):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(sent)
        writer.transport.abort()
    reader, writer = line
    writer.write(head() + BODY)
    assert (await answer(reader))[0] == 200
