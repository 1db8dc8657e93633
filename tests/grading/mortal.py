"""A loop that kills itself with SIGKILL at a chosen point: `mortal.py URL DATA [many | slow]`.

`many` reads POINT and SESSION from each line and lets a process of its own die there, before it says how it
ended. A POINT is `before:3` or `after:3`, the third write of the session; `act:1` or `grade:1`, the end of
the first turn or grading, when all of its work is done and nothing of it written. `slow` is the loop as it is
served; else it is in a hurry. Both live until SIGTERM.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from amp.grading import loop, runner, scripted
from amp.grading.store import SessionStore
from amp.settings import Settings
from amp.store.connection import connect

SETTINGS = {"grading_scripts": 1, "grader_heartbeat_seconds": 5.0}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def mortal(point, session):
    """Makes this process die there."""
    kind, _, number = point.partition(":")
    left = {"writes": int(number), "roles": int(number)}
    commit, act, grade = SessionStore.commit, scripted.ScriptAgent.act, scripted.ScriptGrader.grade

    async def dying_commit(self, tenant, name, *given, **more):
        left["writes"] -= name == session
        due = name == session and not left["writes"]
        if due and kind == "before":
            die()
        written = await commit(self, tenant, name, *given, **more)
        if due and kind == "after":
            die()
        return written

    def dying(work, ours):
        async def at_work(self, told, *given):
            answer = await work(self, told, *given)
            left["roles"] -= kind == ours and told.session == session
            if kind == ours and not left["roles"]:
                die()
            return answer

        return at_work

    SessionStore.commit = dying_commit
    scripted.ScriptAgent.act = dying(act, "act")
    scripted.ScriptGrader.grade = dying(grade, "grade")


async def run(url, data, *, quick):
    if quick:  # the same loop, in a hurry
        loop.LEASE_MS, runner.BEAT_S, runner.LOOK_S = 400, 0.1, 0.1
    settings = Settings(redis=url, data=Path(data), secret="x" * 32, **SETTINGS)
    async with loop.client(settings) as http:
        running = asyncio.ensure_future(loop.runner(settings, connect(url), http).run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        with suppress(asyncio.CancelledError):
            await running


def many(url, data):
    for line in sys.stdin:
        child = os.fork()
        if not child:
            mortal(*line.split())
            asyncio.run(run(url, data, quick=True))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def main(url, data, how=""):
    if how == "many":
        many(url, data)
    else:
        asyncio.run(run(url, data, quick=how != "slow"))


if __name__ == "__main__":
    main(*sys.argv[1:])
