"""A server with faults on demand, and processes that report to it."""

import json
import os
import socket
import socketserver
import struct
import subprocess
import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from stand_in import RECEIPT

ROOT = Path(__file__).parents[2]
COUNT = 2000
ENVELOPES = {
    400: "INVALID_PARAMETER",
    401: "UNAUTHORIZED",
    409: "OUTCOME_ALREADY_REPORTED",
    413: "PAYLOAD_TOO_LARGE",
    429: "RATE_LIMIT_EXCEEDED",
    500: "INTERNAL",
}


class FaultServer(socketserver.ThreadingMixIn, HTTPServer):
    """Takes reports; `fault(items)` may say what to do to a request instead: see `Handler.misbehave`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port=0):
        self.fault = lambda _items: None
        self.refuse = lambda _item: None
        self.delay_s = 0.0
        self.arrived = []
        self.requests = 0
        self.over = threading.Event()
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, *_):
        """A client that hangs up is part of the test."""

    def end(self):
        self.over.set()
        self.shutdown()
        self.server_close()

    @property
    def ids(self):
        return [item.get("requestId") for item in self.arrived]

    def until(self, arrived, within_s=10.0):
        """Waits for so many different reports; true when they came."""
        until_s = time.monotonic() + within_s
        while len(set(self.ids)) < arrived and time.monotonic() < until_s:
            time.sleep(0.005)
        return len(set(self.ids)) >= arrived


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write an answer: two would wait 40 ms for each other (Nagle)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.requests += 1
        items = body["items"] if "batch" in self.path else [body]
        fault = server.fault(items)
        if fault is not None:
            self.misbehave(fault)
            return
        server.over.wait(server.delay_s)
        told = [self.told(item) for item in items]
        self.answer(200, json.dumps({"items": told} if "batch" in self.path else told[0]))

    def told(self, item):
        code = self.server.refuse(item)
        if code:
            return {"error": {"code": code, "message": "no"}}
        self.server.arrived.append(item)
        return RECEIPT

    def misbehave(self, fault):
        """`hang`, `reset`, `garbage`, `nowhere`, or a status; with seconds, a status and its Retry-After."""
        if fault == "hang":
            self.server.over.wait(20)
        elif fault == "reset":
            lingers_not = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingers_not)
            self.close_connection = True
        elif fault == "garbage":
            self.answer(200, "<html>welcome to our hotel</html>", {"Content-Type": "text/html"})
        elif fault == "nowhere":
            self.answer(404, "Not Found", {"Content-Type": "text/plain"})
        else:
            status, retry_after = fault if isinstance(fault, tuple) else (fault, None)
            envelope = {"error": {"code": ENVELOPES[status], "message": "no", "details": {}}}
            self.answer(
                status, json.dumps(envelope), {"Retry-After": str(retry_after)} if retry_after else {}
            )

    def answer(self, status, text, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


PRELUDE = f"""
import asyncio, os, signal, sys, time
from amp.client import AMP, AsyncAMP
SPOOL = os.environ.get("SPOOL")
COUNT = {COUNT}
def ready(word="ready"):
    print(word, time.time(), flush=True)
def report(amp, first=0, count=COUNT):
    for number in range(first, first + count):
        assert amp.report_outcome_background(f"req_{{number}}", started=True, time_to_start=number / 8)
    ready("queued")
"""


def started(script, url, spool=None):
    """A process at work on this script."""
    environment = os.environ | {"AMP_API_KEY": "k", "AMP_BASE_URL": url, "PYTHONPATH": str(ROOT)}
    environment.pop("SPOOL", None)
    if spool:
        environment["SPOOL"] = str(spool)
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process, within_s=20.0):
    """Its output, its complaints, and how many seconds after its last word it ended."""
    out, err = process.communicate(timeout=within_s)
    over_s = time.time()
    said = [float(line.split()[1]) for line in out.splitlines() if len(line.split()) == 2]
    return out, err, over_s - max(said, default=over_s)
