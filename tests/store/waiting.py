"""Waiting for what the event loop will bring about, without a clock."""

import asyncio


async def until(condition):
    """Lets the loop turn until the condition holds; an error when it does not in two seconds."""
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110  the condition is somebody else's state, with no event
            await asyncio.sleep(0)
