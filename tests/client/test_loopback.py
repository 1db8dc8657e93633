"""The client against real sockets: servers that hang, drip, are dead, or answer while the process ends."""

import asyncio
import gc
import json
import os
import socket
import socketserver
import subprocess
import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from stand_in import CONTEXT, RECEIPT, settled

from amp.client import AMP, AsyncAMP

CLIENTS = pytest.mark.parametrize("kind", [AMP, AsyncAMP])


class Threads(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that hangs up is part of the test."""


class HTTPThreads(Threads, HTTPServer):
    pass


@pytest.fixture
def serve():
    """Starts a server of this handler class; gives its URL."""
    servers = []

    def start(handler, kind=HTTPThreads):
        server = kind(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Amp(BaseHTTPRequestHandler):
    """Takes every call and remembers the reports, by server."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write an answer: two would wait 40 ms for each other (Nagle)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/outcome/batch":
            self.server.__dict__.setdefault("reports", []).extend(body["items"])
            answer = {"items": [RECEIPT for _ in body["items"]]}
        else:
            answer = CONTEXT if self.path == "/v1/context" else RECEIPT
        payload = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


def dead_url():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def hanging(drip):
    """A handler that never finishes an answer: silent, or a byte of the headers at a time."""
    over = threading.Event()

    class Hanging(socketserver.BaseRequestHandler):
        def handle(self):
            while not over.wait(0.03):
                if drip:
                    self.request.sendall(b"H")

    return Hanging, over


@CLIENTS
@pytest.mark.parametrize("drip", [False, True], ids=["silent", "dripping"])
async def test_a_server_that_never_answers_costs_the_agent_the_deadline_and_no_more(kind, serve, drip):
    handler, over = hanging(drip)
    url = serve(handler, Threads)
    client = kind("k", url, context_deadline_s=0.3)
    began_s = time.monotonic()
    context = await settled(client.get_context("u", "t"))
    took_s = time.monotonic() - began_s
    over.set()
    await settled(client.close())
    assert context.metadata.fallback == "timeout"
    assert 0.29 <= took_s < 0.6


@CLIENTS
async def test_a_dead_server_costs_the_agent_next_to_nothing(kind):
    client = kind("k", dead_url())
    began_s = time.monotonic()
    context = await settled(client.get_context("u", "t"))
    assert time.monotonic() - began_s < 0.2
    assert context.metadata.fallback == "unreachable"
    await settled(client.close())


@CLIENTS
async def test_the_calls_work_over_a_real_connection(kind, serve):
    client = kind("k", serve(Amp), context_deadline_s=5)
    context = await settled(client.get_context("u", "t"))
    assert context.request_id == "req_abc"
    assert (await settled(context.report(started=True))).success
    assert context.report_background(started=True)
    assert await settled(client.flush(5))
    assert client.counters.sent == 2
    await settled(client.close())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_async_client_serves_one_event_loop_after_another(serve):
    client = AsyncAMP("k", serve(Amp), context_deadline_s=5)

    async def once():
        return (await client.get_context("u", "t")).metadata.fallback

    assert [asyncio.run(once()) for _ in range(2)] == [None, None]
    asyncio.run(client.close())
    gc.collect()  # the first loop left a socket behind: its warning belongs to this test


def run_script(script, url):
    environment = os.environ | {
        "AMP_API_KEY": "k",
        "AMP_BASE_URL": url,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return done, time.monotonic() - began_s


@pytest.mark.parametrize("kind", ["AMP", "AsyncAMP"])
def test_a_process_that_just_ends_loses_no_report(kind, serve):
    reports = []

    class Remembering(Amp):
        def setup(self):
            self.server.reports = reports
            super().setup()

    done, _ = run_script(
        f"""
        from amp.client import {kind}
        amp = {kind}()
        for number in range(200):
            assert amp.report_outcome_background(f"req_{{number}}", started=True)
        """,
        serve(Remembering),
    )
    assert {report["requestId"] for report in reports} == {f"req_{number}" for number in range(200)}
    assert len(reports) == 200
    assert done.stderr == ""


def test_a_process_ends_in_time_and_says_what_it_lost_when_the_server_is_dead():
    done, took_s = run_script(
        """
        from amp.client import AMP
        amp = AMP()
        for number in range(200):
            amp.report_outcome_background(f"req_{number}", started=True)
        """,
        dead_url(),
    )
    assert took_s < 6, "2 s for the flush, and the interpreter's own start"
    assert "reports are lost" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_call_while_the_interpreter_ends_does_not_raise(serve):
    done, _ = run_script(
        """
        import atexit
        from amp.client import AMP
        amp = AMP(context_deadline_s=5)
        atexit.register(lambda: print(amp.get_context("u", "t").request_id,
                                      amp.report_outcome_background("req_1", started=True)))
        """,
        serve(Amp),
    )
    assert done.stdout.split()[0] == "req_abc"
    assert "Traceback" not in done.stderr


def test_the_client_brings_no_server_into_the_process():
    done, _ = run_script(
        """
        import sys
        import amp.client
        ours = sorted(name for name in sys.modules if name.startswith("amp."))
        print(sorted({"numpy", "scipy", "litestar", "redis", "cryptography"} & set(sys.modules)))
        print([name for name in ours if not name.startswith("amp.client") and name != "amp.errors"])
        """,
        dead_url(),
    )
    assert done.stdout.split() == ["[]", "[]"]
