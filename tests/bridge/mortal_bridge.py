"""A bridge that kills itself with SIGKILL at a chosen write: `mortal_bridge.py URL DATA SECRET [POINT]`.

A POINT is `before:3` or `after:3`, the third write of the process. Without one it lives until SIGTERM.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from amp.bridge import consumer
from amp.bridge.carrying import Carrying
from amp.settings import Settings
from amp.store.connection import LineStore, connect

WRITES = ("FCALL", "SADD", "SPOP", "HSET", "HINCRBY", "SET")


def mortal(point):
    """Makes this process die at that write."""
    when, _, number = point.partition(":")
    left = {"writes": int(number)}
    ask_each = LineStore.ask_each

    async def dying(self, commands):
        wrote = any(command[0] in WRITES for command in commands)
        left["writes"] -= wrote
        due = wrote and not left["writes"]
        if due and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answers = await ask_each(self, commands)
        if due and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answers

    LineStore.ask_each = dying


async def run(url, data, secret):
    consumer.LEASE_MS, consumer.LOOK_EVERY_S, consumer.LEASE_EVERY_S = 300, 0.02, 0.05
    running = asyncio.ensure_future(
        Carrying(Settings(redis=url, data=Path(data), secret=secret), connect(url)).run()
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with suppress(asyncio.CancelledError):
        await running


if __name__ == "__main__":
    if len(sys.argv) > 4:
        mortal(sys.argv[4])
    asyncio.run(run(*sys.argv[1:4]))
