"""A load generator on plain sockets: as fast as the server answers, or at a steady pace whatever it does.

A request costs it about a third of what an empty ASGI handler costs the server, so on a core of its own it is
not what is measured.
"""

import os
import re
import select
import socket
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count, cycle
from random import Random
from typing import NamedTuple

CONNECTIONS = 64
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_SILENT_S = 10.0


class Load(NamedTuple):
    """What was answered, and how long it took."""

    requests: int
    seconds: float


class Refused(Exception):
    """The server did not answer, or not with a 200 or 201: the run says nothing."""


def requests(path: str, bodies: Sequence[bytes], key: str, once: str = "") -> list[bytes]:
    """Whole HTTP requests, ready to be sent; with `once`, an idempotency key in each that begins so."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\n"
    ).encode()
    keys = (b"Idempotency-Key: %s%08d\r\n" % (once.encode(), n) if once else b"" for n in count())
    return [
        b"%s%sContent-Length: %d\r\n\r\n%s" % (head, own, len(body), body)
        for own, body in zip(keys, bodies, strict=False)
    ]


def drive(port: int, path: str, bodies: Sequence[bytes], key: str, seconds: float, *, once: str = "") -> Load:
    """Sends the bodies in turn on 64 connections, each waiting for its answer, for so many seconds."""
    waiting = cycle(requests(path, bodies, key, once))
    with _connections(port) as connections, select.epoll() as poll:
        began = time.perf_counter()
        for connection in connections:
            poll.register(connection, select.EPOLLIN)
            os.write(connection, next(waiting))
        answered, end = 0, began + seconds
        while (now := time.perf_counter()) < end:
            ready = poll.poll(_SILENT_S)
            if not ready:
                raise Refused("no answer")
            for connection, _ in ready:
                _read(connection)
                os.write(connection, next(waiting))
            answered += len(ready)
    return Load(answered, now - began)


def pace(port: int, path: str, bodies: Sequence[bytes], key: str, per_s: float) -> list[float]:
    """Milliseconds from when each request was due to its answer; arrivals at random, `per_s` on average."""
    rng = Random(0)
    dues, due = deque[tuple[float, bytes]](), time.perf_counter() + 0.1
    for request in requests(path, bodies, key):
        due += rng.expovariate(per_s)
        dues.append((due, request))
    latencies_ms: list[float] = []
    asked: dict[int, float] = {}
    with _connections(port) as connections:
        idle = deque(connections)  # in turn: the server hangs up on a connection that rests for 5 s
        while dues or asked:
            while dues and idle and dues[0][0] <= time.perf_counter():
                connection = idle.popleft()
                asked[connection], request = dues.popleft()
                os.write(connection, request)
            pause_s = max(0.0, dues[0][0] - time.perf_counter()) if dues and idle else _SILENT_S
            # select, for epoll's timeout counts in whole milliseconds
            ready = select.select(list(asked), (), (), pause_s)[0]
            if not ready and pause_s == _SILENT_S:
                raise Refused("no answer")
            for connection in ready:
                _read(connection)
                latencies_ms.append((time.perf_counter() - asked.pop(connection)) * 1000)
                idle.append(connection)
    return latencies_ms


@contextmanager
def _connections(port: int) -> Generator[list[int]]:
    with ExitStack() as stack:
        made = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(CONNECTIONS)
        ]
        for connection in made:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield [connection.fileno() for connection in made]


def _read(connection: int) -> None:
    """One whole answer.

    Raises:
        Refused: it is not a 200 or 201.
    """
    reply = os.read(connection, 65536)
    while not _whole(reply):
        more = os.read(connection, 65536)
        if not more:
            raise Refused(f"the connection ended after {reply[:200]!r}")
        reply += more
    if not reply.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
        raise Refused(reply.decode(errors="replace"))


def _whole(reply: bytes) -> bool:
    head, ended, body = reply.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(ended and length and len(body) >= int(length[1]))
