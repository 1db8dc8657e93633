"""API keys: only their digest is kept, and their end reaches every worker."""

import asyncio

import pytest
from test_forgetting import everything
from waiting import until

from amp.errors import InvalidParameter, KeyExpired, NotFound, StoreUnavailable, Unauthorized
from amp.store.keyring import UNKNOWN_MS, Keyring, KeyTable, pepper
from amp.tenancy import DEFAULT_SCOPES

PEPPER = pepper("a secret of thirty-two characters or more")


class Hands:
    """A clock that moves when it is told to."""

    at_ms = 1_800_000_000_000

    def __call__(self):
        return self.at_ms


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def keyring(store, clock):
    return Keyring(store, PEPPER, clock=clock)


@pytest.fixture
def table(keyring, clock):
    return KeyTable(keyring, clock=clock)


async def made(keyring, *, scopes=DEFAULT_SCOPES, expires_ms=None):
    key, record = await keyring.create(tenant="acme", env="live", scopes=scopes, expires_ms=expires_ms)
    return key.encode(), record


async def test_the_store_never_sees_a_key_only_its_digest(keyring, store):
    key, record = await made(keyring)
    assert key.startswith(b"amp_sk_live_" + record.id.encode())
    blob = await everything(store)
    assert record.id.encode() in blob
    assert key not in blob
    assert key.removeprefix(b"amp_sk_live_") not in blob
    assert key[len(b"amp_sk_live_") + 8 :] not in blob, "nor the part that is secret"


async def test_a_key_opens_its_tenant_with_its_scopes_and_its_own_environment(keyring, table):
    key, record = await made(keyring, scopes=("read", "context"))
    access = await table.admit(key)
    assert (access.key_id, access.tenant.tag, access.scopes) == (
        record.id,
        "acme:live",
        frozenset({"read", "context"}),
    )


async def test_another_pepper_knows_no_key_of_ours(keyring, store, clock):
    key, _ = await made(keyring)
    stranger = KeyTable(
        Keyring(store, pepper("another secret of thirty-two chars"), clock=clock), clock=clock
    )
    with pytest.raises(Unauthorized):
        await stranger.admit(key)


async def test_keys_are_listed_oldest_first_without_their_secrets(keyring, clock):
    first = await made(keyring)
    clock.at_ms += 1
    second = await made(keyring)
    assert await keyring.all() == [first[1], second[1]]


async def test_a_revoked_key_is_refused_by_a_worker_once_it_has_looked(keyring, table):
    key, record = await made(keyring)
    await table.refresh()
    await table.admit(key)
    await keyring.revoke(record.id)
    await table.refresh()
    with pytest.raises(Unauthorized, match="revoked"):
        await table.admit(key)


async def test_revoking_twice_keeps_the_first_time_and_an_unknown_id_is_said(keyring, clock):
    _, record = await made(keyring)
    first = await keyring.revoke(record.id)
    clock.at_ms += 1000
    assert await keyring.revoke(record.id) == first
    with pytest.raises(NotFound, match="nobody"):
        await keyring.revoke("nobody")


async def test_two_rotations_at_once_make_one_key(keyring):
    _, record = await made(keyring)
    told = await asyncio.gather(*(keyring.rotate(record.id) for _ in range(5)), return_exceptions=True)
    fresh = [each for each in told if not isinstance(each, InvalidParameter)]
    assert len(fresh) == 1
    live = [each for each in await keyring.all() if each.revoked_ms is None]
    assert live == [fresh[0][1]]


async def test_a_rotation_is_one_change_of_the_table(keyring):
    """So nothing that ends half-way leaves two live keys, or none."""
    _, record = await made(keyring)
    before = await keyring.version()
    await keyring.rotate(record.id)
    assert await keyring.version() == before + 1


async def test_a_key_revoked_while_it_is_rotated_leaves_no_key_or_the_new_one(keyring):
    _, record = await made(keyring)
    rotated, revoked = await asyncio.gather(
        keyring.rotate(record.id), keyring.revoke(record.id), return_exceptions=True
    )
    assert revoked.revoked_ms is not None
    live = [each for each in await keyring.all() if each.revoked_ms is None]
    assert live == ([] if isinstance(rotated, InvalidParameter) else [rotated[1]])


async def test_revocations_at_once_agree_on_when(store, keyring, clock):
    """Each by a clock of its own; the first that arrives is right."""
    _, record = await made(keyring)
    rings = [Keyring(store, PEPPER, clock=lambda late=late: clock.at_ms + late) for late in range(5)]
    told = await asyncio.gather(*(ring.revoke(record.id) for ring in rings))
    assert len(set(told)) == 1
    assert await keyring.all() == told[:1]


async def test_a_rotated_key_hands_its_rights_to_a_new_one_and_ends(keyring, table, clock):
    old, record = await made(keyring, scopes=("read",), expires_ms=clock.at_ms + 1000)
    key, fresh = await keyring.rotate(record.id)
    assert (fresh.scopes, fresh.tenant, fresh.env, fresh.expires_ms) == (
        record.scopes,
        record.tenant,
        record.env,
        record.expires_ms,
    )
    assert fresh.id != record.id
    await table.refresh()
    assert (await table.admit(key.encode())).key_id == fresh.id
    with pytest.raises(Unauthorized):
        await table.admit(old)
    with pytest.raises(InvalidParameter, match="revoked"):
        await keyring.rotate(record.id)


async def test_a_key_ends_when_its_time_is_over(keyring, table, clock):
    key, _ = await made(keyring, expires_ms=clock.at_ms + 1000)
    clock.at_ms += 999
    await table.admit(key)
    clock.at_ms += 1
    with pytest.raises(KeyExpired):
        await table.admit(key)
    with pytest.raises(InvalidParameter, match="future"):
        await made(keyring, expires_ms=clock.at_ms)


async def test_a_worker_reads_the_table_only_when_it_has_changed(keyring, table, monkeypatch):
    reads = []

    async def counted(read=keyring.table):
        reads.append(1)
        return await read()

    monkeypatch.setattr(keyring, "table", counted)
    await table.refresh()
    await table.refresh()
    await made(keyring)
    await table.refresh()
    await table.refresh()
    assert len(reads) == 2


async def test_polling_follows_the_table_and_outlives_a_store_that_is_away(keyring, table, monkeypatch):
    monkeypatch.setattr("amp.store.keyring.POLL_S", 0.001)
    key, record = await made(keyring)
    answers = iter([StoreUnavailable(), None])

    async def version(real=keyring.version):
        if failure := next(answers, None):
            raise failure
        return await real()

    monkeypatch.setattr(keyring, "version", version)
    polling = asyncio.create_task(table.poll())
    try:
        await until(lambda: key_is(table, "known"))
        await table.admit(key)
        await keyring.revoke(record.id)
        await until(lambda: key_is(table, "revoked"))
        with pytest.raises(Unauthorized, match="revoked"):
            await table.admit(key)
    finally:
        polling.cancel()


def key_is(table, state):
    """What a worker that only polls holds of its one key."""
    held = [record for record, _ in table._records.values()]
    return bool(held) and (held[0].revoked_ms is not None) == (state == "revoked")


async def test_an_unknown_key_asks_the_store_once_a_second(keyring, table, clock, monkeypatch):
    asked = []

    async def counted(digest, find=keyring.find):
        asked.append(digest)
        return await find(digest)

    monkeypatch.setattr(keyring, "find", counted)

    async def refused():
        with pytest.raises(Unauthorized, match="unknown"):
            await table.admit(b"amp_sk_live_nobody")

    await refused()
    clock.at_ms += UNKNOWN_MS - 1
    await refused()
    assert len(asked) == 1
    clock.at_ms += 1
    await refused()
    assert len(asked) == 2


async def test_guessing_keys_does_not_fill_the_memory(table, monkeypatch):
    monkeypatch.setattr("amp.store.keyring.UNKNOWN_MAX", 10)
    for guess in range(35):
        with pytest.raises(Unauthorized):
            await table.admit(b"amp_sk_live_%d" % guess)
    assert len(table._unknown) <= 10


async def test_a_key_made_a_moment_ago_counts_at_once_without_waiting_for_the_poll(keyring, table):
    await table.refresh()
    key, _ = await made(keyring)
    assert await table.admit(key)


async def test_without_the_store_known_keys_stay_valid_and_unknown_ones_cannot_be_judged(
    keyring, table, monkeypatch
):
    key, _ = await made(keyring)
    await table.refresh()

    async def away(*_):
        raise StoreUnavailable

    monkeypatch.setattr(keyring, "find", away)
    monkeypatch.setattr(keyring, "version", away)
    assert await table.admit(key)
    with pytest.raises(StoreUnavailable):
        await table.admit(b"amp_sk_live_new")
