"""What is told of a tenant's users and of one user's history: GET /v1/insights/users and below."""

from msgspec import Struct

from amp.learning.wire import InteractionReply, Phase


class StatedReply(Struct):
    """A preference that somebody stated, and that has an effect now."""

    option: str
    locked: bool
    since: str


class UserReply(Struct, rename="camel"):
    """One user, in a line."""

    user_id: str
    phase: Phase
    total_interactions: int
    preferences: dict[str, StatedReply]
    """By the field that sets it, such as `preferredFraming`."""
    last_reported_at: str | None
    """Null: nothing is reported yet, only preferred."""


class UsersReply(Struct, rename="camel"):
    """GET /v1/insights/users."""

    users_known: int
    exact: UserReply | None
    """The user with exactly this id."""
    users: list[UserReply]
    """With a search, users whose ids begin so, by id; else those heard of last, the newest first."""
    users_found: int
    """How many ids that begin so, beside `exact`, the search has met; not all may be among `users`."""
    users_looked_at: int
    """How many ids it has read: it is bounded, and goes on with `after`."""
    after: str | None
    """What to send as `after` to look at the next; null when there are no others."""


class PastReply(Struct, rename="camel"):
    """One decision of the past with what was reported of it."""

    interaction: InteractionReply
    reward: float
    """Of what was reported, by the weights in force now."""
    why: str | None
    """Why it was decided so, by the rows that are kept of before; null: `unexplained` says why not."""
    unexplained: str | None


class HistoryReply(Struct, rename="camel"):
    """GET /v1/insights/users/{userId}/history."""

    user_id: str
    total_interactions: int
    kept: int
    """How many of them are kept one by one: the newest 512 or a few more."""
    offset: int
    interactions: list[PastReply]
    """The newest first."""
