"""compose.yaml starts amp on a store that loses nothing."""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml
from sources import ROOT

from amp import settings

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
SECRET = "a secret of thirty-two characters or more"


def problems(compose: dict[str, Any]) -> Iterator[str]:
    """What would keep it from starting, or from keeping what it was told."""
    services, volumes = compose["services"], compose.get("volumes", {})
    for name, service in services.items():
        if "test" not in service.get("healthcheck", {}):
            yield f"{name} has no healthcheck"
        for needed, how in service.get("depends_on", {}).items():
            if needed not in services or how.get("condition") != "service_healthy":
                yield f"{name} does not wait until {needed} is healthy"
        for volume in service.get("volumes", []):
            if volume.split(":")[0] not in volumes:
                yield f"{name} uses the unknown volume {volume}"
    yield from store_problems(services["store"])
    yield from amp_problems(services["amp"])


def store_problems(store: dict[str, Any]) -> Iterator[str]:
    command = store["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    for option, value in {
        "--appendonly": "yes",
        "--appendfsync": "always",
        "--maxmemory-policy": "noeviction",
    }.items():
        if options.get(option) != value:
            yield f"the store runs without {option} {value}"
    if not any(volume.endswith(":/data") for volume in store.get("volumes", [])):
        yield "the store's data goes with its container"


def amp_problems(service: dict[str, Any]) -> Iterator[str]:
    given = service["environment"] | {"AMP_SECRET": SECRET, "AMP_CONFIG": "/dev/null"}
    if not re.match(r"\$\{AMP_SECRET:\?", service["environment"].get("AMP_SECRET", "")):
        yield "the secret is not asked of who starts it"
    try:
        loaded = settings.load(given)
    except settings.SettingsRefused as refusal:
        yield str(refusal)
        return
    if loaded.redis != "redis://store:6379/0":
        yield "amp does not use the store"
    if loaded.host != "0.0.0.0":
        yield "amp cannot be reached from outside its container"
    if not any(str(port).endswith(f":{loaded.port}") for port in service["ports"]):
        yield "the port that amp listens on is not published"
    copied = re.findall(r"^\s*COPY (.+) \S+$", service["build"]["dockerfile_inline"], re.MULTILINE)
    for source in " ".join(copied).split():
        if source != "README.md" and not (ROOT / source).exists():
            yield f"the image copies {source}, which is not there"


def test_the_file_describes_a_service_that_starts_and_loses_nothing():
    assert list(problems(yaml.safe_load(TEXT))) == []


def test_valkey_is_one_commented_line_away():
    (valkey,) = re.findall(r"^\s*# (image: valkey/valkey:\S+)", TEXT, re.MULTILINE)
    (redis,) = re.findall(r"^\s*(image: redis:\S+)$", TEXT, re.MULTILINE)
    with_valkey = yaml.safe_load(TEXT.replace(redis, valkey).replace("redis-", "valkey-"))
    assert with_valkey["services"]["store"]["image"].startswith("valkey/valkey:")
    assert with_valkey["services"]["store"]["command"][0] == "valkey-server"
    assert list(problems(with_valkey)) == []


def without(path):
    def change(compose):
        *way, last = path
        for step in way:
            compose = compose[step]
        del compose[last]

    return change


def setting(name, value):
    return lambda compose: compose["services"]["amp"]["environment"].update({name: value})


PLANTED = [
    (without(["services", "store", "healthcheck"]), "no healthcheck"),
    (without(["volumes", "store"]), "unknown volume"),
    (without(["services", "store", "volumes"]), "goes with its container"),
    (without(["services", "store", "command", slice(1, 3)]), "--appendonly yes"),
    (without(["services", "amp", "environment", "AMP_SECRET"]), "secret is not asked"),
    (without(["services", "amp", "depends_on", "store", "condition"]), "does not wait"),
    (setting("AMP_PROT", "1"), "did you mean AMP_PORT"),
    (setting("AMP_PORT", "8001"), "not published"),
    (setting("AMP_HOST", "127.0.0.1"), "cannot be reached"),
    (setting("AMP_REDIS", "redis://localhost:6379/0"), "does not use the store"),
]


@pytest.mark.parametrize(("spoil", "words"), PLANTED)
def test_each_mistake_is_named(spoil, words):
    compose = deepcopy(yaml.safe_load(TEXT))
    spoil(compose)
    found = list(problems(compose))
    assert any(words in problem for problem in found), found
