"""What every test may ask for: a store, the service on it, keys, and no network but loopback.

`store` is fakeredis; a folder whose tests must also hold on real servers overrides it with `any_store`.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as served: two workers must not fight for the cores

import asyncio
import gc
import shutil
import signal
import subprocess
import tempfile
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path

import fakeredis
import httpx
import memory_disk
import pytest
from pytest_socket import socket_allow_hosts
from routed import services
from six_nodes import six_nodes
from uvicorn import Config
from uvicorn.server import ServerState

from amp.errors import StoreUnavailable
from amp.http.protocol import HotProtocol
from amp.settings import Settings
from amp.store.connection import Store, connect
from amp.store.embedded import find_server
from amp.store.keyring import Keyring, pepper
from amp.tenancy import DEFAULT_SCOPES

if memory_disk.folder():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", memory_disk.folder())  # where tmp_path lies

SECRET = "a secret of the tests, long enough for keys"
SERVERS = ("valkey", "redis") if shutil.which("redis-server") else ("valkey",)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell's background job, in which whatever a test starts would not hear Ctrl-C either
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """What was collected stays to the end: a garbage collection need not walk it, 0.35 s each time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup():
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc):
    """`mark.cluster` adds a cluster to the stores of a test; `mark.stores(...)` says which it runs on."""
    marked = metafunc.definition.get_closest_marker
    for fixture, kinds in (("any_store", ("fakeredis", *SERVERS)), ("real_url", SERVERS)):
        if fixture in metafunc.fixturenames and (marked("cluster") or marked("stores")):
            wanted = marked("stores").args if marked("stores") else (*kinds, "cluster")
            # as a mark: this is how pytest lets a test's own choice go before the fixture's
            metafunc.definition.add_marker(pytest.mark.parametrize(fixture, wanted, indirect=True))


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AMP_")]:
        monkeypatch.delenv(name)


# Stores


@pytest.fixture
async def fake_store():
    """A store in memory: fast, and more forgiving than a real one."""
    async with _memory() as store:
        yield store


@pytest.fixture(params=SERVERS)
async def real_url(request, _servers):
    """The URL of a real and empty store; the test runs once on each kind of server there is."""
    return await _emptied(_servers(request.param))


@pytest.fixture
async def real_store(real_url):
    """A real and empty store; the test runs once on each kind of server there is."""
    async with _connected(real_url) as store:
        yield store


@pytest.fixture(params=("fakeredis", *SERVERS))
async def any_store(request, _servers):
    """The store in memory, then a real one of each kind; with `mark.cluster` a cluster too."""
    if request.param == "fakeredis":
        opened = _memory()
    else:
        opened = _connected(await _emptied(_servers(request.param)))
    async with opened as store:
        yield store


@pytest.fixture
def store(fake_store):
    """The store under `client`."""
    return fake_store


@pytest.fixture
def outage(store):
    """`with outage():` the store answers nothing that it is asked."""

    async def nothing(*_, **__):
        raise StoreUnavailable

    @contextmanager
    def away():
        with pytest.MonkeyPatch.context() as patched:
            for asking in ("ask_each", "ask_apart", "ask_timed"):
                patched.setattr(store, asking, nothing)
            yield

    return away


@pytest.fixture
def own_server():
    """The URL and the process of a store that the test may stop and kill."""
    with _store_process(find_server().binary) as started:
        yield started


@pytest.fixture(scope="session")
def _servers():
    """Starts one server, or cluster, of each kind for session and xdist worker, when it is first wanted."""
    with ExitStack() as processes:

        @cache
        def url(kind):
            if kind == "cluster":
                return processes.enter_context(six_nodes()).url
            binary = find_server().binary if kind == "valkey" else shutil.which("redis-server")
            return processes.enter_context(_store_process(binary))[0]

        yield url


@contextmanager
def _store_process(binary):
    """A durable store on a Unix socket with a short path, gone with its data at the end."""
    folder = Path(tempfile.mkdtemp(prefix="amp-", dir=memory_disk.folder()))
    options = {
        "port": "0",
        "unixsocket": folder / "s",
        "dir": folder,
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
    }
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    process = subprocess.Popen([binary, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert any("eady to accept connections" in line for line in process.stdout), "no store came up"
        yield f"unix://{folder / 's'}", process
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(folder)


class _Memory(Store):
    """fakeredis swallows a cancellation that meets it at work, and who was cancelled would go on for ever."""

    async def ask_each(self, commands):
        return await asyncio.shield(super().ask_each(commands))


@asynccontextmanager
async def _memory():
    server = fakeredis.FakeServer(version=(7,))
    store = _Memory(fakeredis.FakeAsyncRedis(server=server, version=(7,), protocol=2))
    yield store
    await store.close()


@asynccontextmanager
async def _connected(url):
    store = connect(url)
    yield store
    await store.close()


async def _emptied(url):
    async with _connected(url) as store:
        await store.ask_all([("FLUSHALL",), ("FUNCTION", "FLUSH")])
    return url


# The service


@pytest.fixture
def keyring(store):
    """The keys of the service on `store`."""
    return Keyring(store, pepper(SECRET))


@pytest.fixture
def key(keyring):
    """Makes API keys: `await key("context", "read", tenant=..., env=..., expires_ms=...)`."""

    async def make(*scopes, tenant="acme", env="test", expires_ms=None, environment=None):
        made, _ = await keyring.create(
            tenant=tenant,
            env=env,
            scopes=scopes or DEFAULT_SCOPES,
            expires_ms=expires_ms,
            environment=environment,
        )
        return made

    return make


@pytest.fixture
def running():
    """`async with running(app):` the app between startup and shutdown."""
    return _running


@pytest.fixture
async def serve(store, tmp_path):
    """Starts services with settings of the test's own: `app = await serve(control_share=1.0)`."""
    with services() as create:
        async with AsyncExitStack() as open_:

            async def start(on=store, **settings):
                app = create(Settings(**{"secret": SECRET, "data": tmp_path / "data", **settings}), on)
                await open_.enter_async_context(_running(app))
                return app

            yield start


@pytest.fixture
async def app(serve):
    """The whole service with default settings."""
    return await serve()


@pytest.fixture
def caller(app, key):
    """Opens clients: `await caller("read", tenant="other")`, `await caller(on=await serve(...))`."""

    async def opened(*scopes, on=app, **owner):
        return Caller(on, await key(*scopes, **owner))

    return opened


@pytest.fixture
def opener():
    """`opener(app, key)`: a client with this key, in front of any app."""
    return Caller


@pytest.fixture
async def client(caller):
    """A client with a key of the default scopes, for the tenant "acme" in the test environment."""
    return await caller()


@pytest.fixture
async def wire(app):
    """The URL of the service behind the protocol that `amp serve` uses, on a port of its own."""
    config = Config(app, http=HotProtocol, lifespan="off", proxy_headers=False, log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: HotProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    host, port = server.sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.close()
    for connection in list(state.connections):
        connection.shutdown()
    await asyncio.gather(*state.tasks)
    await server.wait_closed()


class Caller(httpx.AsyncClient):
    """An HTTP client in front of the service; `api_key` None sends no key."""

    def __init__(self, app, api_key):
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        super().__init__(transport=httpx.ASGITransport(app), base_url="http://amp.test", headers=headers)

    async def context(self, user="ada", **fields):
        """The answer of getContext."""
        return await self.post("/v1/context", json={"userId": user, "task": "Write a parser", **fields})

    async def outcome(self, request_id, *, started=True, **fields):
        """The answer of reportOutcome."""
        body = {"requestId": request_id, "started": started, **fields}
        return await self.post("/v1/outcome", json=body)

    async def decided(self, user="ada", **fields):
        """The requestId of a fresh context."""
        answer = await self.context(user, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["requestId"]

    async def interact(self, user="ada", *, times=1, **signals):
        """Contexts and their outcomes, one after the other."""
        for _ in range(times):
            answer = await self.outcome(await self.decided(user), **signals)
            assert answer.status_code == 200, answer.text


@asynccontextmanager
async def _running(app):
    """The app between startup and shutdown, as a server would run it."""
    told, heard = asyncio.Queue(), asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan", "asgi": {}, "state": {}}, told.get, heard.put))
    for stage in ("startup", "shutdown"):
        await told.put({"type": f"lifespan.{stage}"})
        message = await heard.get()
        assert message["type"] == f"lifespan.{stage}.complete", message
        if stage == "startup":
            yield
    await life
