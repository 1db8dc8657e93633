"""The vendor's client, unmodified, in front of a real server."""

from contextlib import asynccontextmanager

import anthropic

from amp.tenancy import tenant

ACME = tenant("acme", "test")


@asynccontextmanager
async def opened(url, key, **options):
    """An async client of its own connections; answers are checked against its strict models."""
    client = anthropic.AsyncAnthropic(
        base_url=url, api_key=key, _strict_response_validation=True, max_retries=0, **options
    )
    async with client:
        yield client
