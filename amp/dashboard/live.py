"""GET /live: what every open page listens to."""

from litestar import Controller, get
from litestar.di import NamedDependency

from amp.dashboard.pulse import Pulse
from amp.dashboard.visitors import Door, Visitor
from amp.http.sse import EventStream


class Live(Controller):
    """Versions of what is shown, as they change; ends with the session, or with its key."""

    include_in_schema = False

    @get("/live")
    async def live(
        self, visitor: NamedDependency[Visitor], door: NamedDependency[Door], pulse: NamedDependency[Pulse]
    ) -> EventStream:
        async def still() -> object:
            return await door.admit(door.seals.still(visitor.session))

        return EventStream(pulse.frames(visitor.access.tenant, still))
