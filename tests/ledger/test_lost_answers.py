"""A call whose answer was lost is sent again and has one effect, wherever the answer was cut."""

import asyncio
import contextlib
import json
import tempfile
from pathlib import Path

import pytest
from calls import API, COMPLETIONS, SUCCESS, TENANT, TOOL_EVENTS, completion, everything, job, tool_event

from amp.store.connection import connect

CALLS = {
    "completion": lambda name: ("POST", COMPLETIONS, completion(agenticJobId=name), 201),
    "tool event": lambda name: ("POST", TOOL_EVENTS, tool_event(agenticJobId=name), 201),
    "create": lambda name: ("POST", f"{API}/jobs", {"agenticJobId": f"new-{name}", "type": "sales"}, 409),
    "outcome": lambda name: ("POST", job(name, "outcome"), SUCCESS, 409),
    "amendment": lambda name: ("PATCH", job(f"reported-{name}", "outcome"), {"reason": "typo"}, 200),
    "metrics": lambda name: ("POST", job(name, "outcome", "metrics"), [{"key": "quality", "value": 1}], 201),
}
"""Each call about a job, and how it is answered once it has had its effect."""
CALL = pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)


@pytest.fixture
def store(real_store):
    return real_store


def asked(client, call):
    """The call's HTTP request, the same to the byte each time."""
    verb, path, body, _ = call
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    return client.build_request(verb, path, content=content, headers=headers)


async def before(client, name):
    """What the calls above need."""
    await client.post(f"{API}/jobs", json={"agenticJobId": name})
    await client.post(f"{API}/jobs", json={"agenticJobId": f"reported-{name}"})
    await client.post(job(f"reported-{name}", "outcome"), json=SUCCESS)


async def count(facts):
    return sum(head.length for head in await facts.heads(TENANT))


async def settled(client, facts, call, had):
    """Sends the call until it is answered, and once more: one entry was added, and it is told as repeated."""
    for _ in range(20):
        if (await client.send(asked(client, call))).status_code != 503:
            break
    again = await client.send(asked(client, call))
    assert again.status_code == call[-1], again.text
    assert await count(facts) == had + 1


@CALL
async def test_the_answer_to_the_caller_may_be_cut_anywhere(client, wire, facts, make):
    """Each byte of the answer to a completion, and some of the others'."""
    host, port = wire.removeprefix("http://").split(":")
    step = 1 if make is CALLS["completion"] else 53
    cut, whole = 0, False
    while not whole:
        call = make(f"job-{cut}")
        await before(client, f"job-{cut}")
        had = await count(facts)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(written(asked(client, call)))
        read = b""
        while len(read) < cut and (part := await reader.read(cut - len(read))):
            read += part
        whole = len(read) < cut
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        await settled(client, facts, call, had)
        cut += step
    await everything(facts)
    assert cut > 100


def written(request):
    """The request as it goes over the wire, the last of its connection."""
    headers = [*request.headers.raw, (b"Connection", b"close")]
    lines = b"".join(b"%s: %s\r\n" % header for header in headers if header != (b"Connection", b"keep-alive"))
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (
        request.method.encode(),
        request.url.raw_path,
        lines,
        request.content,
    )


class Cutting:
    """Stands between the service and its store, and cuts the answers when it is told to."""

    def __init__(self, url):
        self.real = url.removeprefix("unix://")
        self.left = None
        self.sent = 0
        self.tasks = set()

    async def serve(self, reader, writer):
        real_reader, real_writer = await asyncio.open_unix_connection(self.real)
        ways = [self.pump(reader, real_writer, cut=False), self.pump(real_reader, writer, cut=True)]
        with contextlib.suppress(ConnectionError):
            await asyncio.wait([asyncio.ensure_future(way) for way in ways], return_when="FIRST_COMPLETED")
        for each in (writer, real_writer):
            each.close()

    async def pump(self, reader, writer, *, cut):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if cut and self.left is not None:
                    data, rest = data[: self.left], data[self.left :]
                    self.left -= len(data)
                    if rest or not self.left:
                        writer.write(data)
                        self.left = None
                        return
                self.sent += len(data) if cut else 0
                writer.write(data)
                await writer.drain()


@pytest.fixture
async def cutting(real_url):
    """The stand-in, and its URL."""
    with tempfile.TemporaryDirectory(prefix="amp-") as folder:
        between = Cutting(real_url)
        server = await asyncio.start_unix_server(between.serve, Path(folder) / "s")
        yield between, f"unix://{folder}/s"
        server.close()


@CALL
async def test_the_answers_of_the_store_may_be_cut_anywhere(cutting, serve, caller, facts, make):
    """Each byte of them, and every third or so where they are long."""
    between, url = cutting
    client = await caller("ledger", on=await serve(connect(url)))
    await before(client, "whole")
    between.sent = 0
    await client.send(asked(client, make("whole")))
    whole = between.sent
    assert whole > 20
    refused = tried = 0
    for cut in range(1, whole + 1, max(1, whole // 300)):
        call = make(f"job-{cut}")
        await before(client, f"job-{cut}")
        had = await count(facts)
        between.left = cut
        refused += (await client.send(asked(client, call))).status_code == 503
        between.left = None
        await settled(client, facts, call, had)
        tried += 1
    await everything(facts)
    assert refused > tried // 2
