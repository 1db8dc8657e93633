"""A crowd that leans: four task types, real fits, users of every phase."""

import random

from amp.learning import fit_store, store
from amp.learning.fit_store import FitStore
from amp.learning.insight_store import DAY_MS
from amp.learning.refit import Refit
from amp.learning.store import LearningStore
from amp.store.functions import Functions
from amp.tenancy import tenant

TASKS = ("coding", "writing", "debugging", "data analysis")


async def lived(site, api, *, users=60, times=4, seed=1):
    """Users who do better with encouragement "none", and in coding with a technical style."""
    chance = random.Random(seed)
    for _ in range(times):
        tasks = [chance.choice(TASKS) for _ in range(users)]
        asked = [
            {
                "userId": f"user {number}",
                "task": "Do it",
                "taskType": task,
                "complexity": chance.choice(("low", "high")),
            }
            for number, task in enumerate(tasks)
        ]
        answer = await api.post("/v1/context/batch", json={"items": asked})
        outcomes = []
        for task, each in zip(tasks, answer.json()["items"], strict=True):
            technical = task == "coding" and each["communicationStyle"] == "technical"
            likely = 0.4 + 0.3 * (each["encouragement"] == "none") + 0.2 * technical
            started = chance.random() < likely + 0.2
            said = {"requestId": each["requestId"], "started": started}
            if started:
                said |= {
                    "completed": chance.random() < likely + 0.2,
                    "timeToStart": 60.0,
                    "satisfaction": 0.5,
                }
            outcomes.append(said)
        answer = await api.post("/v1/outcome/batch", json={"items": outcomes})
        assert answer.status_code == 200, answer.text
    await site.measured()
    await site.house.room.recent.flush()


async def fitted(site, name="acme", env="live"):
    """As if the background had fitted, and the worker had heard of it."""
    functions, room = Functions(site.store, [store.LIBRARY, fit_store.LIBRARY]), site.house.room
    fits = FitStore(site.store, functions, retention_ms=30 * DAY_MS)
    facts = LearningStore(site.store, functions, window_ms=DAY_MS, retention_ms=30 * DAY_MS)
    await fits.ask(tenant(name, env))
    await Refit(facts, site.keyring, fits=fits, policies=room.policies).look(0.0)
    await room.attendance.once()
