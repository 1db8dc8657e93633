"""Users: who was heard of last, and a search by id that says how far it looked."""

from typing import Annotated
from urllib.parse import urlencode

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from amp.app import House
from amp.dashboard.pages import Page, Tab, page
from amp.errors import InvalidUserId
from amp.http.requests import ApiRequest
from amp.tenancy import Access

SHOWN = 50
UserId = Annotated[str, QueryParameter(name="id")]


class UsersPage(Page):
    """Who is there?"""

    tab = Tab("Users", "/users")

    @get("/users")
    async def users(
        self,
        request: ApiRequest,
        access: NamedDependency[Access],
        house: NamedDependency[House],
        search: FromQuery[str] = "",
        after: FromQuery[str] = "",
    ) -> Response[bytes]:
        users, refusal = house.room.users, ""
        found = None
        if search.strip():
            try:
                found = await users.find(access.tenant, search, SHOWN, after)
            except InvalidUserId as error:
                refusal = error.message
        listed = found or await users.recent(access.tenant, SHOWN)
        on = urlencode({"search": search, "after": listed.after}) if listed.after else ""
        return page(
            request,
            "users.html",
            search=search,
            begun=bool(after),
            found=found,
            listed=listed,
            refusal=refusal,
            on=on,
            path_to=path_to,
        )

    @get("/users/erased")
    async def erased(self, request: ApiRequest) -> Response[bytes]:
        """After an erasure; it does not say whose."""
        return page(request, "erased.html")


def path_to(user_id: str, page: str = "/users/user", **more: object) -> str:
    """Where a user is looked at. Ids come from outside: they travel in the query, percent-encoded."""
    return f"{page}?{urlencode({'id': user_id, **more})}"
