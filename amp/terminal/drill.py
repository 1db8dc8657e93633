"""`amp restore --drill`: is a backup worth anything? It is restored where nobody sees it, and read."""

import asyncio
import re
from collections.abc import Sequence
from typing import NamedTuple

from amp.backup.layout import Manifest
from amp.backup.restoring import Restored
from amp.errors import AmpError
from amp.learning.profiles import Profiles
from amp.settings import Settings
from amp.store.connection import Store, connect
from amp.store.keys import KEYRING
from amp.store.moving import pages
from amp.tenancy import Tenant, tenant
from amp.terminal import ledger_verify
from amp.terminal.learner import Learner, with_learner

SAMPLE = 20
_USER = re.compile(rb"\{([a-z0-9-]+):(live|test):\d+\}:r:(.+)", re.DOTALL)
_SESSION = re.compile(rb"\{[a-z0-9-]+:(?:live|test):\d+\}:g:s:.+", re.DOTALL)
_FILE = re.compile(rb"\{([a-z0-9-]+):(live|test)\}:g:k:file:(\w+)")


class Kept(NamedTuple):
    """What the store's keys are, by their names."""

    users: int
    sample: list[tuple[Tenant, str]]
    sessions: int
    files: list[tuple[Tenant, str]]
    api_keys: int


class Found(NamedTuple):
    """What was there when it was restored."""

    restored: Restored
    kept: Kept
    read_users: int
    """Of the sample: they have a history, and a posterior comes of it."""
    lacking: list[str]
    """Files that the store knows and whose bytes are missing."""
    ledger: ledger_verify.Seen

    @property
    def manifest(self) -> Manifest:
        return self.restored.manifest

    @property
    def wrong(self) -> list[str]:
        """What is not as it should be, in words."""
        keys, most, told = self.restored.keys, self.restored.keys + self.restored.expired, self.manifest.keys
        said: list[str] = []
        if told is not None and not keys <= told <= most:
            said.append(f"The manifest tells of {told:,} keys, the store has {keys:,}.")
        if self.read_users < len(self.kept.sample):
            said.append(f"{len(self.kept.sample) - self.read_users} of the users read have no posterior.")
        if self.lacking:
            first = self.lacking[0]
            said.append(f"Files whose bytes are missing: {len(self.lacking):,}; the first is {first}.")
        if findings := self.ledger.findings:
            said.append(f"The ledger is not what was written: {findings[0].what}.")
        return said


def look(settings: Settings, restored: Restored) -> Found:
    """Reads what was restored into the settings' folder; their store answers.

    Raises:
        StoreUnavailable: it does not.
    """
    kept = asyncio.run(_kept(settings.redis or ""))
    lacking = [
        name
        for owner, name in kept.files
        if not (settings.data / "files" / f"{owner.name}.{owner.env}" / name).exists()
    ]
    read = with_learner(settings, lambda learner: _read(learner, kept.sample))
    return Found(restored, kept, read, lacking, ledger_verify.read(settings, None, None))


async def _kept(url: str) -> Kept:
    store = connect(url)
    try:
        return await _sorted(store)
    finally:
        await store.close()


async def _sorted(store: Store) -> Kept:
    users, sessions, sample, files = 0, 0, list[tuple[Tenant, str]](), list[tuple[Tenant, str]]()
    async for keys in pages(store):
        for match in filter(None, map(_USER.fullmatch, keys)):
            users += 1
            if len(sample) < SAMPLE:
                sample.append((tenant(match[1].decode(), match[2].decode()), match[3].decode()))
        sessions += sum(1 for key in keys if _SESSION.fullmatch(key))
        files += [
            (tenant(match[1].decode(), match[2].decode()), match[3].decode())
            for match in filter(None, map(_FILE.fullmatch, keys))
        ]
    return Kept(users, sample, sessions, files, int(await store.ask("HLEN", KEYRING)))


async def _read(learner: Learner, users: Sequence[tuple[Tenant, str]]) -> int:
    profiles = Profiles(learner.facts, learner.priors, policies=learner.policies)
    read = 0
    for owner, user in users:
        try:
            believed = await profiles.posterior(owner, user)
        except AmpError:
            continue
        read += bool(believed.dimensions)
    return read
