"""For the tests of those who use the client: an amp without a server, a store or a socket.

    def test_my_agent():
        fake = FakeAmp()
        fake.suggest("ada", encouragement="high")
        with fake.client() as amp:
            my_agent(amp, "ada")
        assert [told["completed"] for told in fake.outcomes.values()] == [True]

As pytest fixtures: `pytest_plugins = ["amp.client.fixtures"]`, then `fake_amp` and `amp`. It answers by the
contract: the same tests run against it and against the real service.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import httpx
import msgspec

from amp.client import fake_bodies as bodies
from amp.client.aio import AsyncAMP
from amp.client.fake_ledger import Books
from amp.client.fake_people import APPROACH, Decided, People, iso
from amp.client.sync import AMP
from amp.errors import AmpError, InvalidUserId, MethodNotAllowed, NotFound, Unauthorized

__all__ = ["APPROACH", "Decided", "FakeAmp"]

START_S = 1_767_225_600.0
"""2026-01-01T00:00:00Z: the fake's clock stands there until it is moved on."""

_JOBS = "/profitstream/v2/api/jobs"
_LEDGER = ("/profitstream/", "/v1/ledger/")


class Answer(NamedTuple):
    status: int
    told: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012  a default that nobody changes


Verbs = dict[str, Callable[[bytes], Answer]]


class FakeAmp(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """An amp in memory: `AMP("test", transport=fake)`, or `fake.client()`.

    Contexts are the same every time (`suggest` says otherwise), time stands still until `advance`, and what
    was asked and reported is kept in `contexts` and `outcomes`. `fail_next` makes the next requests fail.
    """

    def __init__(
        self,
        *,
        outcome_window_s: float = 86_400.0,
        keys: set[str] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._advanced_s = 0.0
        self._clock = clock or (lambda: START_S + self._advanced_s)
        self._keys = keys
        self._failing: list[AmpError | Exception] = []
        self._requests = 0
        self._people = People(self._clock, outcome_window_s)
        self._books = Books()

    # For tests

    def client(self, **options: Any) -> AMP:
        """A client of this server."""
        return AMP("amp_sk_test_fake", "http://amp.test", transport=self, **options)

    def async_client(self, **options: Any) -> AsyncAMP:
        return AsyncAMP("amp_sk_test_fake", "http://amp.test", transport=self, **options)

    def suggest(self, user_id: str | None = None, **approach: str) -> None:
        """What this user (None: everybody) is suggested from now on: `suggest(encouragement="high")`.

        Raises:
            ValueError: no such dimension or option.
        """
        for name, option in approach.items():
            if option not in bodies.DIMENSIONS.get(name, ()):
                raise ValueError(f"{name}={option!r}: dimensions and options are {bodies.DIMENSIONS}")
        self._people.approaches.setdefault(user_id, {}).update(approach)

    def advance(self, seconds: float) -> None:
        """Moves the clock on: outcome windows close."""
        self._advanced_s += seconds

    def fail_next(self, error: AmpError | Exception, times: int = 1) -> None:
        """The next requests are refused with this AmpError, or meet this exception of the network."""
        self._failing += [error] * times

    @property
    def contexts(self) -> list[Decided]:
        """What was decided, in order."""
        return list(self._people.decisions.values())

    @property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        """What stands, by requestId, as the contract names it; what was not said is left out."""
        return {
            decided.request_id: {
                name: value
                for name, value in msgspec.to_builtins(decided.report).items()
                if value is not None
            }
            for decided in self.contexts
            if decided.report is not None
        }

    @property
    def records(self) -> list[dict[str, Any]]:
        """What was metered, each transaction once."""
        return list(self._books.records.values())

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """The ledger's jobs by id, with their outcomes."""
        return self._books.jobs

    # For httpx

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._respond(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._respond(request, await request.aread())

    def _respond(self, request: httpx.Request, body: bytes) -> httpx.Response:
        self._requests += 1
        name = f"http_fake_{self._requests}"
        path = request.url.raw_path.decode("ascii").partition("?")[0]
        try:
            if self._failing:
                raise self._failing.pop(0)
            answer = self._answer(request, path, body)
        except AmpError as error:
            answer = self._refused(path, error, name)
        headers = {"X-Request-Id": name, **answer.headers}
        content = b"" if answer.told is None else msgspec.json.encode(answer.told)
        if content:
            headers["Content-Type"] = "application/json"
        return httpx.Response(answer.status, headers=headers, content=content)

    def _answer(self, request: httpx.Request, path: str, body: bytes) -> Answer:
        verbs = self._verbs(path)
        if not verbs:
            raise NotFound("There is no such path.")
        allowed = set(verbs) | {"OPTIONS"} | ({"HEAD"} if "GET" in verbs else set[str]())
        if request.method == "OPTIONS":
            return Answer(204, headers={"Allow": ", ".join(sorted(allowed))})
        if request.method not in allowed:
            raise _NotAllowed(allowed)
        if path not in {"/livez", "/readyz"}:
            self._admit(request)
        told = verbs["GET" if request.method == "HEAD" else request.method](body)
        return told._replace(told=None) if request.method == "HEAD" else told

    def _admit(self, request: httpx.Request) -> None:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key or (self._keys is not None and key not in self._keys):
            raise Unauthorized("Send your API key as `Authorization: Bearer amp_sk_...`.")

    def _verbs(self, path: str) -> Verbs:
        people, books = self._people, self._books
        if path.startswith("/v1/profile/"):
            return self._profile(path.removeprefix("/v1/profile/").split("/"))
        if path.startswith(f"{_JOBS}/"):
            return self._job(path.removeprefix(f"{_JOBS}/").split("/"))
        paths: dict[str, Verbs] = {
            "/v1/context": {"POST": lambda body: Answer(200, people.context(bodies.asked(_one(body))))},
            "/v1/outcome": {"POST": lambda body: self._reported(_one(body))},
            "/v1/context/batch": {
                "POST": lambda body: self._each(body, lambda item: people.context(bodies.asked(item)))
            },
            "/v1/outcome/batch": {
                "POST": lambda body: self._each(body, lambda item: self._reported(item).told)
            },
            "/v1/ledger/meter/batch": {"POST": lambda body: self._each(body, books.meter, ledger=True)},
            _JOBS: {"POST": lambda body: Answer(201, books.create(_one(body)))},
            "/livez": {"GET": lambda _: Answer(200, {"status": "ok"})},
            "/readyz": {"GET": lambda _: Answer(200, {"status": "ok"})},
        }
        return paths.get(path, {})

    def _profile(self, parts: list[str]) -> Verbs:
        raw, *page = parts
        if not raw or len(page) > 1:
            return {}
        people = self._people
        pages: dict[str, Verbs] = {
            "": {
                "GET": lambda _: Answer(200, people.profile(_user(raw))),
                "PUT": lambda body: Answer(200, people.change(_user(raw), _one(body))),
                "DELETE": lambda _: Answer(204, people.erase(_user(raw))),
            },
            "export": {"GET": lambda _: Answer(200, people.export(_user(raw)))},
            "posterior": {"GET": lambda _: Answer(200, people.posterior(_user(raw)))},
        }
        return pages.get(page[0] if page else "", {}) if page != [""] else {}

    def _job(self, parts: list[str]) -> Verbs:
        job = unquote_to_bytes(parts[0]).decode("utf-8", "replace")
        if parts[1:] == ["outcome"]:
            return {"POST": lambda body: Answer(200, self._books.report(job, _one(body)))}
        return {}

    def _reported(self, body: bytes) -> Answer:
        replayed = self._people.report(bodies.reported(body))
        told = {"success": True, "message": "Outcome reported successfully"}
        return Answer(200, told, {"Idempotent-Replay": "true"} if replayed else {})

    def _each(self, body: bytes, do: Callable[[bytes], Any], *, ledger: bool = False) -> Answer:
        items: list[Any] = []
        for item in bodies.batch(body):
            try:
                items.append(do(item))
            except AmpError as error:
                items.append(self._refused(_LEDGER[0] if ledger else "", error, "http_fake").told)
        return Answer(200, {"items": items})

    def _refused(self, path: str, error: AmpError, name: str) -> Answer:
        headers: dict[str, str] = {}
        if error.retry_after_s is not None:
            headers["Retry-After"] = str(error.retry_after_s)
        if isinstance(error, _NotAllowed):
            headers["Allow"] = ", ".join(sorted(error.allowed))
        if path.startswith(_LEDGER):
            told = {
                "status": error.status,
                "error": HTTPStatus(error.status).phrase,
                "message": error.message,
            }
            return Answer(
                error.status, told | {"code": error.code.lower(), "details": error.details}, headers
            )
        problem = {"code": error.code, "message": error.message, "details": error.details, "requestId": name}
        return Answer(error.status, {"error": problem | {"timestamp": iso(self._clock())}}, headers)


class _NotAllowed(MethodNotAllowed):
    def __init__(self, allowed: set[str]) -> None:
        super().__init__("No such method here.")
        self.allowed = allowed


def _one(body: bytes) -> bytes:
    return bodies.sized(body, bodies.BODY_BYTES)


def _user(raw: str) -> str:
    try:
        return bodies.user_id(unquote_to_bytes(raw).decode())
    except UnicodeDecodeError as error:
        raise InvalidUserId("userId", "must be percent-encoded UTF-8") from error
