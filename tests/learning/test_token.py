"""The requestId: it carries the decision, and only its own service, tenant and environment can open it."""

import re
from base64 import urlsafe_b64decode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amp.errors import InvalidRequestId
from amp.learning.rows import Decision, task_hash
from amp.learning.token import _BODY, _DAY, DAY_MS, IV_BYTES, PREFIX, Sealer, _encode
from amp.learning.validation import TASK_TYPE_LENGTH_MAX, USER_LENGTH_MAX
from amp.tenancy import Tenant

SEALER = Sealer(b"a secret of thirty-two characters or more")
TENANT = Tenant("acme", "live")
IV = bytes(range(IV_BYTES))
NOW_MS = 1_800_000_000_000


def decision(task_type="", **changes):
    given = {
        "nonce": int.from_bytes(IV[:8], "little"),
        "decided_ms": NOW_MS,
        "combination": 255,
        "task_hash": task_hash(task_type),
        "level": 2,
        "hour": 23,
        "policy_version": 3,
        "prior_version": 70_000,
    }
    return Decision(**given | changes)


def seal(user="user_123", task_type="debugging", *, sealer=SEALER, tenant=TENANT, **changes):
    return sealer.seal(tenant, decision(task_type, **changes), user, task_type, IV)


decisions = st.builds(
    Decision,
    nonce=st.integers(0, 2**64 - 1),
    decided_ms=st.integers(0, 2**16 * DAY_MS - 1),
    combination=st.integers(0, 2**16 - 1),
    task_hash=st.just(0),
    level=st.integers(0, 3),
    hour=st.integers(0, 23),
    policy_version=st.integers(0, 2**16 - 1),
    prior_version=st.integers(0, 2**32 - 1),
    control=st.booleans(),
    floored=st.booleans(),
    explored=st.booleans(),
    degraded=st.booleans(),
    excluded=st.just(0) | st.integers(0, 2**40 - 1),
    shadow=st.none() | st.integers(0, 2**16 - 1),
)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(decisions, st.tuples(texts, texts), st.binary(min_size=4, max_size=4))
def test_what_was_sealed_is_what_is_opened(decided, names, rest):
    user, task_type = names
    iv = decided.nonce.to_bytes(8, "little") + rest
    token = SEALER.seal(TENANT, decided, user, task_type, iv)
    assert re.fullmatch(r"req_[A-Za-z0-9_-]+", token), "it can stand in any URL"
    opened, whose, what = SEALER.open(TENANT, token)
    assert (whose, what) == (user, task_type)
    assert opened.task_hash == task_hash(task_type)
    opened_fields = {field: getattr(opened, field) for field in Decision.__struct_fields__}
    sealed_fields = {field: getattr(decided, field) for field in Decision.__struct_fields__}
    assert opened_fields | {"task_hash": 0} == sealed_fields


def test_ordinary_ids_make_about_130_characters_and_the_longest_at_most_2048():
    assert len(seal("550e8400-e29b-41d4-a716-446655440000", "coding")) <= 140
    assert len(seal()) <= 130
    longest = seal("\N{GRINNING FACE}" * USER_LENGTH_MAX, "\N{GRINNING FACE}" * TASK_TYPE_LENGTH_MAX)
    assert len(longest) <= 2048
    assert SEALER.open(TENANT, longest)[1] == "\N{GRINNING FACE}" * USER_LENGTH_MAX


def test_exclusions_cost_ids_without_any_nothing_and_others_a_few_characters():
    body = _BODY.pack(1, NOW_MS & 0xFFFFFFFF, NOW_MS >> 32, 255, 3, 70_000, 2, 23, 9) + b"debugginguser_123"
    day = NOW_MS // DAY_MS
    older = _encode(_DAY.pack(day) + IV + SEALER._cipher(TENANT, day).encrypt(IV, body, None))
    assert older == seal(), "the layout of before exclusions, to the bit: such ids open still"
    assert SEALER.open(TENANT, older)[0].excluded == 0
    assert len(seal(excluded=1 << 15)) <= len(older) + 4


def test_the_user_and_the_task_cannot_be_read_in_it():
    token = seal("grace.hopper", "compilers")
    raw = urlsafe_b64decode(token.removeprefix(PREFIX) + "==")
    for secret in (b"grace", b"hopper", b"compilers"):
        assert secret not in raw
        assert secret not in token.encode()


def test_two_decisions_for_one_user_share_no_more_than_their_day():
    other = bytes(reversed(IV))
    one, two = seal(), SEALER.seal(TENANT, decision("debugging"), "user_123", "debugging", other)
    sealed = [urlsafe_b64decode(token.removeprefix(PREFIX) + "==")[2 + IV_BYTES :] for token in (one, two)]
    same = sum(left == right for left, right in zip(*sealed, strict=True))
    assert same < 10, "as good as random"


def refused(token, *, sealer=SEALER, tenant=TENANT):
    with pytest.raises(InvalidRequestId) as refusal:
        sealer.open(tenant, token)
    return refusal.value.message


def test_any_changed_character_closes_it():
    token = seal()
    for at in range(len(token)):
        for other in "Aa0-_" if at >= len(PREFIX) else "X":
            if other != token[at]:
                refused(token[:at] + other + token[at + 1 :])


def test_the_last_character_has_one_spelling_only():
    """Base64 leaves bits of it unused: they must not make a second id for one decision."""
    for user in ("u", "uu", "uuu"):
        token = seal(user)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        opened = []
        for last in alphabet:
            try:
                SEALER.open(TENANT, token[:-1] + last)
            except InvalidRequestId:
                continue
            opened.append(last)
        assert opened == [token[-1]]


def test_a_part_of_it_or_more_than_it_is_refused():
    token = seal()
    for length in range(len(token)):
        refused(token[:length])
    for more in (token + "A", token + "=", token + "\n", " " + token, token + token, PREFIX + token):
        refused(more)


@pytest.mark.parametrize(
    ("sealer", "tenant"),
    [
        (SEALER, Tenant("acme", "test")),
        (SEALER, Tenant("acme-2", "live")),
        (Sealer(b"another secret of thirty-two characters"), TENANT),
    ],
    ids=["other environment", "other tenant", "other secret"],
)
def test_elsewhere_it_is_unknown_in_the_same_words_as_one_that_never_was(sealer, tenant):
    token = seal()
    assert refused(token, sealer=sealer, tenant=tenant) == refused("req_never")
    assert SEALER.open(TENANT, token)[1] == "user_123"


def test_each_day_has_its_own_key_and_yesterdays_ids_open_still():
    yesterday, today = seal(decided_ms=NOW_MS - DAY_MS), seal()
    for token in (yesterday, today):
        assert SEALER.open(TENANT, token)[1] == "user_123"
    raw = [bytearray(urlsafe_b64decode(token.removeprefix(PREFIX) + "==")) for token in (yesterday, today)]
    raw[0][:2] = raw[1][:2]  # yesterday's id says that it is today's
    from base64 import urlsafe_b64encode

    refused(PREFIX + urlsafe_b64encode(bytes(raw[0])).rstrip(b"=").decode())


def test_a_service_that_starts_again_with_its_secret_opens_what_it_sealed_before():
    again = Sealer(b"a secret of thirty-two characters or more")
    assert again.open(TENANT, seal())[1] == "user_123"


@settings(max_examples=200)
@given(st.one_of(st.text(max_size=60), st.text(max_size=60).map(PREFIX.__add__)))
@example("")
@example("req_")
@example("req_local_1234")
@example("req_\ud800")
@example("req_é")
@example("req_" + "A" * 3000)
def test_whatever_else_is_sent_is_refused_and_never_an_error(text):
    refused(text)
