"""A service that is to stop tells everybody first, answers what it took, and then goes."""

import asyncio
import json
import signal
import time
from contextlib import suppress

import httpx
import pytest
from running import refused, serving, until
from test_rolling import PAUSES_S, Load

pytestmark = pytest.mark.timeout(180)


def context(http, announced):
    headers = {"Authorization": f"Bearer {announced['key']}"}
    return http.post("/v1/context", json={"userId": "ada", "task": "x"}, headers=headers)


def test_readiness_is_red_while_requests_are_answered_and_then_the_port_closes(data):
    with serving(data, AMP_DRAIN="4s") as (service, announced):
        with httpx.Client(base_url=announced["url"], timeout=20) as http:
            assert http.get("/readyz").status_code == 200
            assert "connection" not in context(http, announced).headers
            service.terminate()
            began = time.monotonic()
            red = until(lambda: (answer := http.get("/readyz")).status_code == 503 and answer, within_s=3)
            assert red.json() == {"status": "draining", "checks": []}
            answer = context(http, announced)  # on a new connection: the last one was let go
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
            assert "amp_draining 1.0" in http.get("/metrics").text
            until(lambda: refused(announced["url"]))
            assert time.monotonic() - began > 3
        assert service.wait(20) == 0


def test_where_nobody_asked_for_readiness_the_port_closes_at_once_and_kept_connections_are_answered(data):
    with serving(data, AMP_DRAIN="30s") as (service, announced):
        with httpx.Client(base_url=announced["url"], timeout=20) as http:
            context(http, announced)
            began = time.monotonic()
            service.terminate()
            until(lambda: refused(announced["url"]), within_s=10)
            answer = context(http, announced)  # on the connection it kept
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert service.wait(20) == 0
        assert time.monotonic() - began < 25


def test_ctrl_c_is_quick_whoever_asked_and_whoever_is_connected(data):
    with (
        serving(data, AMP_DRAIN="60s") as (service, announced),
        httpx.Client(base_url=announced["url"], timeout=20) as http,
    ):
        http.get("/readyz")
        service.send_signal(signal.SIGINT)
        assert service.wait(20) == 0


def test_a_second_signal_ends_at_once(data):
    with (
        serving(data, AMP_DRAIN="60s") as (service, announced),
        httpx.Client(base_url=announced["url"], timeout=20) as http,
    ):
        http.get("/readyz")
        service.terminate()
        until(lambda: http.get("/readyz").status_code == 503)
        service.terminate()
        assert service.wait(20) == 0


def test_an_open_stream_is_told_to_come_back_and_ends_whole(data, run):
    with serving(data) as (service, announced):
        key = json.loads(run("keys", "create", "--json", "--data", data).stdout)["key"]
        headers = {"x-api-key": key}
        with httpx.Client(base_url=announced["url"], timeout=30, headers=headers) as http:
            agent = http.post("/v1/agents", json={"name": "a", "model": "script"}).json()
            place = http.post("/v1/environments", json={"name": "e"}).json()
            wanted = {"agent": agent["id"], "environment_id": place["id"]}
            session = http.post("/v1/sessions", json=wanted).json()["id"]
            with http.stream("GET", f"/v1/sessions/{session}/events/stream") as stream:
                lines = stream.iter_lines()
                assert next(lines) == ": open"
                assert "amp_sse_streams 1.0" in httpx.get(announced["url"] + "/metrics").text
                service.terminate()
                rest = list(lines)  # ends by its last chunk, or httpx would raise
            assert "retry: 1000" in rest
        assert service.wait(20) == 0


async def test_a_request_whose_body_is_on_its_way_is_answered(data):
    with serving(data) as (service, announced):
        host, port = announced["url"].removeprefix("http://").split(":")
        body = b'{"userId":"ada","task":"x"}'
        head = (
            f"POST /v1/context HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {announced['key']}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        ).encode()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head + body[:5])
        await writer.drain()
        await asyncio.sleep(0.2)  # so that the worker has it before it is told to end
        service.terminate()
        until(lambda: refused(announced["url"]), within_s=10)
        writer.write(body[5:])
        answer = await asyncio.wait_for(reader.read(), 20)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer
        writer.close()
        assert await asyncio.to_thread(service.wait, 20) == 0


class Proxy:
    """What stands before two services: a connection goes to the first that takes it."""

    def __init__(self, *urls):
        self.upstreams = [url.removeprefix("http://").split(":") for url in urls]
        self.writers = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for writer in self.writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def serve(self, reader, writer):
        for host, port in self.upstreams:
            try:
                there = await asyncio.open_connection(host, int(port))
                break
            except OSError:
                continue
        else:
            writer.close()
            return
        self.writers += [writer, there[1]]
        await asyncio.gather(self.pipe(reader, there[1]), self.pipe(there[0], writer))

    @staticmethod
    async def pipe(source, target):
        try:
            while part := await source.read(65536):
                target.write(part)
                await target.drain()
        except OSError:
            pass
        target.close()


@pytest.mark.slow
async def test_a_service_gives_way_to_another_on_its_store_under_load(data, own_server, monkeypatch, run):
    """Behind a proxy that tries the next one where a connection is refused, no request fails."""
    url, _ = own_server
    monkeypatch.setenv("AMP_SECRET", "x" * 32)
    with (
        serving(data / "a", "--redis", url, AMP_DRAIN="10s") as (first, announced),
        serving(data / "b", "--redis", url, AMP_DRAIN="10s") as (_, other),
    ):
        made = await asyncio.to_thread(run, "keys", "create", "--json", "--redis", url, "--data", data)
        key = json.loads(made.stdout)["key"]
        async with Proxy(announced["url"], other["url"]) as proxy:
            load = Load({"url": proxy.url, "key": key})
            async with asyncio.TaskGroup() as group:
                for number in range(4):
                    group.create_task(load.client(number, PAUSES_S))
                await asyncio.sleep(1)
                before = load.contexts
                first.terminate()
                assert await asyncio.to_thread(first.wait, 30) == 0
                await asyncio.sleep(1)
                load.stopping.set()
        assert load.failed == []
        assert load.contexts == load.outcomes > before > 0
