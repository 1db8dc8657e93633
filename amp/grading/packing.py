"""What a step says to the store's function: which outcomes are over with it, its definitions, its events."""

from collections.abc import Sequence

import msgspec

from amp.grading.types import TERMINAL, Change, Event

encode = msgspec.json.Encoder().encode


def ended(events: Sequence[Event]) -> str:
    """Each outcome that is over, its result and iteration, all between spaces: store.lua, `post`."""
    return " ".join(
        f"{event['outcome_id']} {event['result']} {event['iteration']}"
        for event in events
        if event["type"] == "span.outcome_evaluation_end" and event["result"] in TERMINAL
    )


def packed(change: Change) -> list[bytes | str | int]:
    """The number of definitions and three words of each; then two of each event, '1' where it waits."""
    words: list[bytes | str | int] = [len(change.definitions)]
    for each in change.definitions:
        words += [each.outcome_id, each.description, encode(each)]
    for event in change.events:
        words += [encode(event), "1" if event.get("processed_at", "") is None else ""]
    return words
