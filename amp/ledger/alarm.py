"""Whether heads cannot be written: the worker that fails says so to all, for who is asked is another one."""

from amp.store.connection import Store
from amp.store.trust_keys import HEADS_FAILING

LASTS_MS = 5000
"""It is said again each second while it is so."""


class Alarm:
    """Said by any worker, seen by every process."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def sound(self) -> None:
        """Heads could not be written just now.

        Raises:
            StoreUnavailable: perhaps nobody hears it.
        """
        await self._store.ask("SET", HEADS_FAILING, b"1", "PX", LASTS_MS)

    async def sounds(self) -> bool:
        """Whether a worker could not write its heads in the last seconds.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return bool(await self._store.ask("EXISTS", HEADS_FAILING))
