"""Connections of the library that go where the sentinels' master is, for what the library itself asks."""

from typing import Any, cast

from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError, ReadOnlyError  # noqa: A004  the library's own

from amp.parse import SentinelUrl
from amp.store.sentinel import Sentinels


def followed(url: SentinelUrl) -> dict[str, Any]:
    """What a pool is told so that each of its connections asks where to go before it dials."""
    return {
        "connection_class": FollowingTls if url.tls else Following,
        "sentinels": Sentinels(url),
        "db": url.db,
        "username": url.username,
        "password": url.password,
    }


class Following(Connection):
    """Dials the master, and dials anew when it is none any more."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType]  the library types it in part
        self._sentinels = sentinels

    async def connect(self) -> None:
        """Raises what a lost connection raises when nobody knows the master."""
        if not self.is_connected:
            try:
                self.host, self.port = await self._sentinels.master()
            except OSError as error:
                raise ConnectionError(str(error)) from error
        await super().connect()

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return cast("Any", await super().read_response(*arguments, **options))
        except ReadOnlyError:
            await self.disconnect()
            raise


class FollowingTls(Following, SSLConnection):
    """The same under TLS."""
