"""What one loop adds to an iteration. `python -m benchmarks.grading [SESSIONS] [together]`.

Scripted roles work and grade for known times, on a real store with every write on disk before it is answered.
What an iteration takes beyond those times is the loop's own: reading, thinking, writing, waiting its turn.
Sessions begin spread over the length of an iteration, as they do in life; `together` has them in lock-step.
"""

import asyncio
import json
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from amp.grading import loop, shelf_store
from amp.grading import store as session_store
from amp.grading.ids import new_id, now_us
from amp.grading.lanes import Lanes
from amp.grading.receiving import received
from amp.grading.store import SessionStore
from amp.grading.times import microseconds
from amp.grading.types import Change, Event, Head, Pen, Session, State
from amp.settings import Settings
from amp.store.connection import Store, connect
from amp.store.functions import Functions
from amp.store.keeper import opened
from amp.tenancy import tenant

SESSIONS, ITERATIONS = 200, 5
WORK_S, GRADING_S = 1.0, 1.0
OWNER = tenant("bench", "test")
AGENT = {"id": "agent_1", "type": "agent", "name": "writer", "version": 1, "model": {"id": "script"}}
OUTCOME = {
    "type": "user.define_outcome",
    "description": "Write a report",
    "rubric": {"type": "text", "content": "\n".join(f"- It says {number}" for number in range(10))},
    "max_iterations": ITERATIONS,
}


async def made(sessions: SessionStore) -> str:
    """A session that begins with an outcome."""
    verdicts = ["needs_revision"] * (ITERATIONS - 1) + ["satisfied"]
    script = json.dumps([{"v": verdicts, "a": WORK_S, "g": GRADING_S, "h": 5}])
    name, at_us = new_id("sesn"), now_us()
    head = Head(name, AGENT, "env_1", at_us, at_us, metadata={"outcome_script": script})
    pen = Pen(0, 0, at_us, new_id)
    change, _ = received(Session(0, 0, head, State()), [OUTCOME], pen)
    await sessions.create(OWNER, Change(*change[:3], head=head), secrets.token_hex(4))
    return name


def overheads_ms(events: list[Event]) -> list[float]:
    """What each iteration took beyond its planned time, from the beginning of its turn to its verdict."""
    found: list[float] = []
    began_us = 0
    for event in events:
        at_us = microseconds(event["processed_at"])
        if event["type"] == "span.model_request_start":
            began_us = at_us
        elif event["type"] == "span.outcome_evaluation_end":
            found.append((at_us - began_us) / 1000 - (WORK_S + GRADING_S) * 1000)
    return found


async def measured(settings: Settings, store: Store, count: int, *, spread_s: float) -> dict[str, Any]:
    """Runs them all at once."""
    functions = Functions(store, [session_store.LIBRARY, shelf_store.LIBRARY])
    await functions.load()
    sessions, lanes = SessionStore(store, functions), Lanes(store)
    await lanes.open()
    async with loop.client(settings) as http:
        running = asyncio.ensure_future(loop.runner(settings, store, http).run())
        await asyncio.sleep(1)
        names: list[str] = []
        began_s, cpu_s = time.perf_counter(), time.process_time()
        for _ in range(count):
            names.append(await made(sessions))  # and at once awake: a sweep would find them all together
            await lanes.wake(OWNER.tag, names[-1])
            await asyncio.sleep(spread_s / count)
        while any(  # noqa: ASYNC110  asked as a client would
            each and each.state.status != "idle" for each in await sessions.load_all(OWNER, names)
        ):
            await asyncio.sleep(0.5)
        took_s, used_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    found: list[float] = []
    for name in names:
        found += overheads_ms([each.event for each in await sessions.events(OWNER, name)])
    found.sort()
    return {
        "sessions": count,
        "iterations": len(found),
        "overhead_ms_p50": round(statistics.median(found), 2),
        "overhead_ms_p99": round(found[int(0.99 * len(found))], 2),
        "overhead_ms_max": round(found[-1], 2),
        "cpu_ms_an_iteration": round(1000 * used_s / len(found), 2),
        "seconds": round(took_s, 2),
        "seconds_planned": ITERATIONS * (WORK_S + GRADING_S),
    }


def main() -> None:
    """Prints the figures as one line of JSON."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    spread_s = 0.0 if "together" in sys.argv else WORK_S + GRADING_S
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder), secret=secrets.token_hex(32), grading_scripts=1)
        with opened(settings) as complete:

            async def run() -> dict[str, Any]:
                store = connect(complete.redis or "")
                try:
                    return await measured(complete, store, count, spread_s=spread_s)
                finally:
                    await store.close()

            print(json.dumps(asyncio.run(run())))


if __name__ == "__main__":
    main()
