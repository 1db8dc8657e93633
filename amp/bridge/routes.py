"""HTTP in, HTTP out for a tenant's mapping, and how the bridge gets on."""

from litestar import Controller, Response, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from amp.bridge.mapping import MappingChange
from amp.bridge.maps import Maps
from amp.bridge.progress import Progress
from amp.bridge.wire import MappingReply, StatusReply, mapping_reply
from amp.http.requests import ApiRequest, expected_version
from amp.tenancy import Access

Caller = NamedDependency[Access]
TheMaps = NamedDependency[Maps]
TheProgress = NamedDependency[Progress]


class BridgeRoutes(Controller):
    """What a job's outcome or a grade teaches the decision that it followed."""

    path = "/v1/bridge"
    opt = {"scopes": ("admin", "read")}  # noqa: RUF012  Litestar's way

    @get(summary="The mapping in force")
    async def show(self, access: Caller, maps: TheMaps) -> Response[MappingReply]:
        return _tagged(mapping_reply(await maps.show(access.tenant)))

    @get("/versions/{number:str}", summary="An earlier version of the mapping, or the one in force")
    async def version(self, number: FromPath[str], access: Caller, maps: TheMaps) -> MappingReply:
        return mapping_reply(await maps.version(access.tenant, int(number) if number.isdecimal() else 0))

    @get("/status", summary="What is on its way, and what came of all that was carried")
    async def status(self, access: Caller, progress: TheProgress) -> StatusReply:
        """A report of the agent that contradicts what was carried before it is among `contradictions` too."""
        return await progress.status(access.tenant)

    @put(opt={"scopes": ("admin",)}, summary="Change what is sent of the mapping")
    async def change(
        self, request: ApiRequest, data: JSONBody[MappingChange], access: Caller, maps: TheMaps
    ) -> Response[MappingReply]:
        """In force for all that is carried from now on; what was taught before stays."""
        expected = expected_version(request.headers.get("if-match"), "GET /v1/bridge")
        return _tagged(
            mapping_reply(await maps.change(access.tenant, data, by=access.key_id, expected=expected))
        )


def _tagged(mapping: MappingReply) -> Response[MappingReply]:
    """With its version as an ETag, for If-Match."""
    return Response(mapping, headers={"ETag": f'"{mapping.version}"'})
