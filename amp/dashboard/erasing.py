"""Erasing a user: a page of its own, and the id typed once more."""

from litestar import Response, get, post
from litestar.di import NamedDependency

from amp.app import House
from amp.dashboard.pages import Page, page, see_other
from amp.dashboard.users import UserId, UsersPage, path_to
from amp.http.requests import ApiRequest
from amp.learning.user_wire import UserReply
from amp.tenancy import Access

ERASE = ("profile",)
"""The scope that the API asks for the same."""
TheAccess = NamedDependency[Access]
TheHouse = NamedDependency[House]


class ErasePage(Page):
    """Forget this user for good?"""

    tab = UsersPage.tab

    @get("/users/erase")
    async def ask(
        self,
        request: ApiRequest,
        access: TheAccess,
        house: TheHouse,
        user_id: UserId = "",
    ) -> Response[bytes]:
        access.require(*ERASE)
        return _form(request, await house.room.users.one(access.tenant, user_id))

    @post("/users/erase", status_code=303)
    async def erase(self, request: ApiRequest, access: TheAccess, house: TheHouse) -> Response[bytes]:
        access.require(*ERASE)
        sent = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
        user = await house.room.users.one(access.tenant, sent.get("id", ""))
        if sent.get("confirm", "").strip() != user.user_id:
            return _form(request, user, "This is not the id of the user. Nothing was erased.")
        await house.room.profiles.forget(access.tenant, user.user_id)
        return see_other("/users/erased")


def _form(request: ApiRequest, user: UserReply, refusal: str = "") -> Response[bytes]:
    status = 400 if refusal else 200
    return page(request, "erase.html", status=status, user=user, refusal=refusal, path_to=path_to)
