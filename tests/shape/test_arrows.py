"""Who may import whom. A broken arrow is named by the sentence it breaks."""

import ast
import re
from collections.abc import Callable, Iterable

import pytest
from sources import Module, modules

FLOORS = [
    {
        "errors",
        "clock",
        "exits",
        "origins",
        "parse",
        "settings",
        "tenancy",
        "observe",
        "metric_files",
        "__init__",
    },
    {"store"},
    {"http"},
    {"learning", "ledger", "grading"},
    {"bridge", "trust", "trust_routes"},
    {"app", "rooms", "followers", "doctor"},
    {"beside", "worker"},
    {"supervisor"},
    {"serve", "dashboard"},
    {"demo", "simulate", "backup"},
    {"terminal"},
    {"cli"},
]
"""The drawing, from the ground up. The client stands beside it and carries nothing but the top floors."""
BESIDE = {"client"}
ROOMS = {"learning", "ledger", "grading"}
NOT_PURE = {
    "store.py",
    "insight_store.py",
    "index_store.py",
    "service.py",
    "routes.py",
    "insight_routes.py",
    "counting.py",
    "measure.py",
    "policy_routes.py",
    "refit.py",
    "runner.py",
    "policies.py",
    "policy_store.py",
    "teaching.py",
    "policy_book.py",
    "priors.py",
    "profiles.py",
    "admin.py",
    "admin_routes.py",
    "attendance.py",
    "fit_store.py",
    "overview.py",
    "preferred.py",
    "recent.py",
    "user_store.py",
    "users.py",
    "usage_routes.py",
    "tailing.py",
    "state.py",
    "journal.py",
    "agent.py",
    "apart.py",
    "attending.py",
    "grader.py",
    "tools.py",
    "course.py",
    "holding.py",
    "loop.py",
    "messages.py",
    "model.py",
    "openai.py",
    "outputs.py",
    "patience.py",
    "plugin.py",
    "roles.py",
    "scripted.py",
    "book_store.py",
    "books.py",
    "looking.py",
    "leafing.py",
    "linked.py",
    "book_routes.py",
    "rollup.py",
    "rollup_store.py",
    "marks.py",
    "folding.py",
    "answers.py",
    "appending.py",
    "intake.py",
    "jobs.py",
    "reports.py",
    "report_routes.py",
    "timeline.py",
    "head_files.py",
    "alarm.py",
    "audit_store.py",
    "verify.py",
    "walking.py",
    "lanes.py",
    "log_store.py",
    "making.py",
    "shelf_store.py",
    "blobs.py",
    "sweeping.py",
    "ids.py",
    "shelves.py",
    "shelf_routes.py",
    "files.py",
    "file_routes.py",
    "following.py",
    "listing.py",
    "session_routes.py",
    "work_service.py",
    "work_routes.py",
    "graded.py",
    "lists_store.py",
    "standing.py",
    "backlog.py",
}
"""A room's files that meet the world; every other file of a room is pure."""
WORLD = ("time", "random", "os", "secrets", "socket", "asyncio", "redis", "litestar", "httpx", "amp.clock")


def under(imported: str, *names: str) -> bool:
    return any(imported == name or imported.startswith(name + ".") for name in names)


def floor(part: str) -> int:
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


def ours(imported: str) -> str | None:
    """The part of the package that is imported; None when it is somebody else's."""
    words = imported.split(".")
    if words[0] != "amp":
        return None
    return words[1] if len(words) > 1 and words[1] != "__version__" else "__init__"


def goes_up(module: Module, imported: str) -> bool:
    part = ours(imported)
    if part is None or part == module.part or module.part in BESIDE:
        return False
    if part in BESIDE:
        return floor(module.part) < floor("demo")
    return floor(part) > floor(module.part)


def crosses_rooms(module: Module, imported: str) -> bool:
    return module.part in ROOMS and ours(imported) in ROOMS - {module.part}


def is_pure(module: Module) -> bool:
    return module.part in ROOMS and module.name not in NOT_PURE


def meets_the_world(module: Module, imported: str) -> bool:
    if not is_pure(module):
        return False
    words = imported.split(".")
    impure = words[:2] == ["amp", module.part] and len(words) > 2 and f"{words[2]}.py" in NOT_PURE
    return impure or under(imported, *WORLD, "amp.store", "amp.http")


def knows_redis(module: Module, imported: str) -> bool:
    return under(imported, "redis", "hiredis") and module.part != "store" and module.name != "store.py"


def knows_litestar(module: Module, imported: str) -> bool:
    at_home = module.part in {"http", "dashboard", "app"} or module.name.endswith("routes.py")
    return under(imported, "litestar") and not at_home


def knows_httpx(module: Module, imported: str) -> bool:
    return under(imported, "httpx") and module.part not in {"client", "grading"}


def burdens_the_client(module: Module, imported: str) -> bool:
    if module.part != "client":
        return False
    foreign = under(imported, "numpy", "scipy", "litestar", "redis", "uvicorn", "cryptography")
    return foreign or ours(imported) not in {None, "__init__", "client", "errors"}


def is_slow_to_import(module: Module, imported: str) -> bool:
    return under(imported, "scipy.stats") and module.part != "simulate"


Rule = Callable[[Module, str], bool]
RULES: dict[str, Rule] = {
    "Imports go down the drawing, never up.": goes_up,
    "Rooms never import each other: bridge/ is where they meet.": crosses_rooms,
    "Pure files know no clock, no network, no chance, and nobody who does.": meets_the_world,
    "redis only under store/ and in a room's store.py.": knows_redis,
    "litestar only in http/, dashboard/, app.py and a room's routes.": knows_litestar,
    "httpx only in client/ and grading/.": knows_httpx,
    "The client imports errors and itself: no numpy, no server.": burdens_the_client,
    "scipy.stats takes a second to import: only tests and simulate/ use it.": is_slow_to_import,
}


def broken(files: Iterable[Module]) -> list[str]:
    return [
        f"{sentence} amp/{module.path} imports {imported}."
        for module in files
        for imported in module.imports()
        for sentence, rule in RULES.items()
        if rule(module, imported)
    ]


def test_every_import_follows_the_arrows():
    assert len(modules()) > 40
    assert broken(modules()) == []


def test_every_part_of_the_package_has_its_floor_in_the_drawing():
    assert {module.part for module in modules()} <= set().union(*FLOORS, BESIDE)


PLANTED = [
    ("store/keys.py", "from amp.learning import rows", "Imports go down"),
    ("errors.py", "import amp.store.keys", "Imports go down"),
    ("http/auth.py", "def late():\n    from amp.app import create", "Imports go down"),
    ("learning/service.py", "from amp.client import AMP", "Imports go down"),
    ("learning/service.py", "from amp.ledger.money import cents", "Rooms never import each other"),
    ("grading/types.py", "import amp.learning.types", "Rooms never import each other"),
    ("learning/rows.py", "import time", "Pure files"),
    ("learning/posterior.py", "from random import random", "Pure files"),
    ("learning/posterior.py", "from amp.learning.store import Record", "Pure files"),
    ("learning/brand_new.py", "from amp.clock import now_ms", "Pure files"),
    ("ledger/money.py", "import os.path", "Pure files"),
    ("learning/service.py", "from redis.asyncio import Redis", "redis only"),
    ("http/limits.py", "import hiredis", "redis only"),
    ("learning/service.py", "import litestar", "litestar only"),
    ("store/readiness.py", "from litestar.exceptions import HTTPException", "litestar only"),
    ("demo/run.py", "import httpx", "httpx only"),
    ("client/types.py", "import numpy as np", "The client"),
    ("client/wire.py", "from amp.learning.wire import ContextReply", "The client"),
    ("learning/draws.py", "from scipy import stats", "scipy.stats"),
]


@pytest.mark.parametrize(("path", "text", "sentence"), PLANTED)
def test_a_broken_arrow_is_named_by_its_sentence(path, text, sentence):
    named = broken([Module(path, text)])
    assert any(words.startswith(sentence) for words in named), named
    assert all(re.search(rf"amp/{path} imports \S+\.$", words) for words in named)


ALLOWED = [
    ("learning/store.py", "from redis.exceptions import RedisError\nfrom amp.store.keys import user_keys"),
    ("learning/routes.py", "from litestar import get\nfrom amp.http.body import parse"),
    ("learning/service.py", "import os\nfrom amp.clock import now_ms\nfrom amp.learning.store import Record"),
    ("learning/posterior.py", "import numpy as np\nfrom scipy.special import ndtri\nimport msgspec"),
    ("bridge/consumer.py", "from amp.ledger import service\nfrom amp.learning import service as learning"),
    ("client/aio.py", "import httpx\nfrom amp.errors import AmpError\nfrom amp import __version__"),
    ("demo/run.py", "from amp.client import AMP\nfrom amp.serve import serve"),
    ("simulate/score.py", "from scipy import stats"),
]


@pytest.mark.parametrize(("path", "text"), ALLOWED)
def test_what_the_drawing_allows_is_not_complained_of(path, text):
    assert broken([Module(path, text)]) == []


def forgers(files: Iterable[Module]) -> list[str]:
    """Where a `Tenant` is made: only the one place that checks its name may do so."""
    return [
        f"amp/{module.path} makes a Tenant."
        for module in files
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", None) or getattr(node.func, "attr", None)) == "Tenant"
        and module.path != "tenancy.py"
    ]


def test_a_tenant_is_made_in_one_place():
    assert forgers(modules()) == []
    assert forgers([Module("http/auth.py", 'x = Tenant("acme", "live")')])
    assert forgers([Module("http/auth.py", 'x = tenancy.Tenant("acme", "live")')])
    assert forgers([Module("http/auth.py", "x: Tenant = tenancy.tenant(a, b)")]) == []
