"""Sessions are sealed, end in time, and go with their key; links work once."""

import asyncio

import pytest

from amp.dashboard.session import LASTS_MS, Seals
from amp.dashboard.visitors import safe_path
from amp.store.links import LASTS_MS as LINK_MS
from amp.store.links import Links


class Hands:
    """A clock that moves when it is told to."""

    at_ms = 1_800_000_000_000

    def __call__(self):
        return self.at_ms


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def seals(clock):
    return Seals(b"a secret", clock=clock)


def test_a_sealed_session_opens_with_the_same_secret_alone(seals):
    session = seals.fresh(b"digest")
    cookie = seals.seal(session)
    assert seals.open(cookie) == session
    assert "digest" not in cookie
    assert Seals(b"another").open(cookie) is None


def test_a_session_that_was_changed_anywhere_does_not_open(seals):
    cookie = seals.seal(seals.fresh(b"digest"))
    for place in range(0, len(cookie) - 2, 7):
        other = "A" if cookie[place] != "A" else "B"
        assert seals.open(cookie[:place] + other + cookie[place + 1 :]) is None
    for broken in ("", None, "x", "é", cookie[:-1], cookie + "AAAA"):
        assert seals.open(broken) is None


def test_a_session_ends_in_time(seals, clock):
    cookie = seals.seal(seals.fresh(b"digest"))
    clock.at_ms += LASTS_MS - 1
    assert seals.open(cookie)
    clock.at_ms += 1
    assert seals.open(cookie) is None


def test_a_forms_token_is_of_one_session(seals):
    one, other = seals.fresh(b"digest"), seals.fresh(b"digest")
    assert seals.is_csrf(one, seals.csrf(one))
    assert not seals.is_csrf(one, seals.csrf(other))
    assert not seals.is_csrf(one, "")
    assert not seals.is_csrf(one, "é")
    assert not Seals(b"another").is_csrf(one, seals.csrf(one))


@pytest.mark.parametrize(
    ("said", "goes"),
    [
        ("/users?search=a%20b", "/users?search=a%20b"),
        ("/", "/"),
        (None, "/"),
        ("", "/"),
        ("users", "/"),
        ("https://evil.test/", "/"),
        ("//evil.test/", "/"),
        ("/\\evil.test/", "/"),
        ("/a\\b", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("/\t/evil.test", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_who_signed_in_goes_to_a_page_of_this_site(said, goes):
    assert safe_path(said) == goes


class TestLinks:
    @pytest.fixture
    def store(self, any_store):
        return any_store

    @pytest.fixture
    def links(self, store, clock):
        return Links(store, clock=clock)

    async def test_a_link_opens_its_key_once(self, links):
        token = await links.make(b"digest")
        assert await links.take(token) == b"digest"
        assert await links.take(token) is None
        assert await links.take("never made") is None

    async def test_of_many_who_take_it_at_once_one_has_it(self, links):
        token = await links.make(b"digest")
        taken = await asyncio.gather(*(links.take(token) for _ in range(20)))
        assert (taken.count(b"digest"), taken.count(None)) == (1, 19)

    async def test_a_link_is_too_old_in_time_whatever_the_store_still_has(self, links, clock):
        token = await links.make(b"digest")
        clock.at_ms += LINK_MS
        assert await links.take(token) is None

    async def test_the_store_never_sees_the_token_and_forgets_an_unused_one(self, links, store):
        token = await links.make(b"digest")
        (key,) = await store.ask("KEYS", "*link*")
        assert token.encode() not in key
        assert token.encode() not in await store.ask("GET", key)
        assert 0 < await store.ask("PTTL", key) <= LINK_MS
