"""Sessions of the dashboard that were signed out before their time: a copied cookie opens nothing."""

from amp.store.connection import Store
from amp.store.keys import signed_out


class SignedOut:
    """Kept until the session would have ended by itself."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, number: str, left_ms: int) -> None:
        """This session is over; it would have had so long.

        Raises:
            StoreUnavailable: perhaps it is not; it may be sent again.
        """
        await self._store.ask("SET", signed_out(number), b"", "PX", max(1, left_ms))

    async def has(self, number: str) -> bool:
        """Whether this session was signed out.

        Raises:
            StoreUnavailable: there is no answer.
        """
        return bool(await self._store.ask("EXISTS", signed_out(number)))
