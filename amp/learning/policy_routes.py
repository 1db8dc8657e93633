"""HTTP in, HTTP out for a tenant's policy."""

from litestar import Controller, Response, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from amp.errors import InvalidParameter
from amp.http.requests import ApiRequest, expected_version
from amp.learning.amend import PolicyChange
from amp.learning.policy_book import PolicyBook
from amp.learning.policy_wire import DryRunReply, PolicyReply
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheBook = NamedDependency[PolicyBook]


class PolicyRoutes(Controller):
    """How a tenant's decisions are made: its dimensions and options, weights, shares."""

    path = "/v1/policy"
    opt = {"scopes": ("admin", "read")}  # noqa: RUF012  Litestar's way

    @get(summary="The policy in force")
    async def show(self, access: Caller, book: TheBook) -> Response[PolicyReply]:
        return _tagged(await book.show(access.tenant))

    @get("/versions/{number:str}", summary="An earlier version, or the one in force")
    async def version(self, number: FromPath[str], access: Caller, book: TheBook) -> PolicyReply:
        """The number is that of a token, a row or an answer."""
        return await book.version(access.tenant, int(number) if number.isdecimal() else 0)

    @put(opt={"scopes": ("admin",)}, summary="Change what is sent of it; `dryRun=true` only says what would")
    async def change(
        self, request: ApiRequest, data: JSONBody[PolicyChange], access: Caller, book: TheBook
    ) -> Response[PolicyReply] | Response[DryRunReply]:
        expected = expected_version(request.headers.get("if-match"), "GET /v1/policy")
        if _flag(request, "dryRun"):
            return Response(await book.dry_run(access.tenant, data, expected))
        return _tagged(await book.change(access.tenant, data, expected))


def _tagged(policy: PolicyReply) -> Response[PolicyReply]:
    """With its version as an ETag, for If-Match."""
    return Response(policy, headers={"ETag": f'"{policy.version}"'})


def _flag(request: ApiRequest, name: str) -> bool:
    said = str(request.query_params.get(name, "false"))
    if said not in {"true", "false"}:
        raise InvalidParameter(name, "must be true or false")
    return said == "true"
