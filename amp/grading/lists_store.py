"""Sessions by what they are, read from their lists: as many as a page needs, however many there are."""

from collections.abc import Sequence

from amp.grading.lists import OF_OUTCOME, RESULTS, STATUSES
from amp.grading.pages import Key
from amp.store.connection import Store
from amp.store.grading_keys import SESSION_BUCKETS, grading_tag, session_lists
from amp.tenancy import Tenant


class SessionLists:
    """Lists of every tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def listed(
        self, tenant: Tenant, word: str | None, *, low_us: int, high_us: int, newest_first: bool, count: int
    ) -> list[Key]:
        """The first `count` sessions made in this time, with both ends, that are listed under the word.

        None lists them all.

        Raises:
            StoreUnavailable: there is no answer.
        """
        tags = [grading_tag(tenant.tag, number) for number in range(SESSION_BUCKETS)]
        limit = ("LIMIT", 0, count)
        if word is None:
            ends = (
                ("ZREVRANGEBYSCORE", high_us, low_us) if newest_first else ("ZRANGEBYSCORE", low_us, high_us)
            )
            commands = [(ends[0], tag + b"sessions", *ends[1:], "WITHSCORES", *limit) for tag in tags]
            read = _scored
        else:
            low, high = f"[{word}:{low_us:016}:", f"[{word}:{high_us:016}:\x7f"
            ends = ("ZREVRANGEBYLEX", high, low) if newest_first else ("ZRANGEBYLEX", low, high)
            commands = [(ends[0], session_lists(tag), *ends[1:], *limit) for tag in tags]
            read = _named
        found = [key for reply in await self._store.ask_in_turn(commands) for key in read(reply)]
        return sorted(found, reverse=newest_first)[:count]

    async def counts(self, tenant: Tenant) -> dict[str, int]:
        """How many sessions are listed under each word.

        Raises:
            StoreUnavailable: there is no answer.
        """
        words = [*STATUSES, *(OF_OUTCOME + result for result in RESULTS)]
        commands = [
            ("ZLEXCOUNT", session_lists(grading_tag(tenant.tag, number)), f"[{word}:", f"[{word};")
            for word in words
            for number in range(SESSION_BUCKETS)
        ]
        replies: list[int] = await self._store.ask_in_turn(commands)
        return {
            word: sum(replies[place * SESSION_BUCKETS : (place + 1) * SESSION_BUCKETS])
            for place, word in enumerate(words)
        }


def _scored(flat: Sequence[bytes]) -> list[Key]:
    return [(int(float(at)), name.decode()) for name, at in zip(flat[::2], flat[1::2], strict=True)]


def _named(members: Sequence[bytes]) -> list[Key]:
    parts = [member.decode().split(":", 2) for member in members]
    return [(int(at), name) for _, at, name in parts]
