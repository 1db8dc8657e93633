"""What machines and newcomers read without a key: health, metrics, OpenAPI and its page."""

import json
import re
import sys
from pathlib import Path

import httpx
import pytest

from amp.settings import Settings

SNAPSHOT = Path(__file__).with_name("openapi.json")


async def test_a_process_that_answers_is_alive(client):
    answer = await client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


class TestReadiness:
    @pytest.fixture
    def store(self, real_store):
        return real_store

    async def test_a_durable_store_is_ready(self, client):
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ready")
        assert all(check["ok"] for check in answer.json()["checks"])

    @pytest.mark.parametrize(
        ("option", "bad", "good"),
        [("maxmemory-policy", "allkeys-lru", "noeviction"), ("appendonly", "no", "yes")],
    )
    async def test_an_unsafe_store_is_not_ready_and_says_how_to_mend_it(
        self, client, store, option, bad, good
    ):
        await store.ask("CONFIG", "SET", option, bad)
        try:
            answer = await client.get("/readyz")
        finally:
            await store.ask("CONFIG", "SET", option, good)
        assert answer.status_code == 503
        (wrong,) = [check for check in answer.json()["checks"] if not check["ok"]]
        assert f"CONFIG SET {option} {good}" in wrong["fix"]


async def test_without_a_store_it_is_alive_and_not_ready(client, outage):
    with outage():
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/schema/openapi.json", "/v1/profile/nobody", "/x"])
async def test_head_is_answered_like_get_without_the_body(client, wire, path):
    async with type(client)(None, None) as plain:
        plain._transport = httpx.AsyncHTTPTransport()
        told, whole = [
            await plain.request(verb, wire + path, headers=client.headers) for verb in ("HEAD", "GET")
        ]
    assert told.status_code == whole.status_code
    assert told.headers["Content-Type"] == whole.headers["Content-Type"]
    assert int(told.headers["Content-Length"]) > 0
    assert told.content == b""
    assert whole.content != b""


async def test_a_store_that_is_not_ready_says_so_to_head_too(client, outage):
    with outage():
        assert (await client.head("/readyz")).status_code == 503


async def test_metrics_count_requests_by_route_and_status_and_never_name_a_user(client):
    await client.context("somebody")
    await client.get("/v1/profile/somebody")
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    counts = re.findall(
        r'amp_http_request_duration_seconds_count\{route="(.+)",status="(\d+)"\}', answer.text
    )
    assert ("/v1/context", "200") in counts
    assert ("/v1/profile/{user_id}", "404") in counts
    assert "somebody" not in answer.text


async def test_a_path_that_is_not_there_makes_no_label(client):
    await client.get("/v1/nothing-like-this")
    assert "nothing-like-this" not in (await client.get("/metrics")).text


def told(schema):
    """As the snapshot file has it."""
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


async def test_openapi_is_as_in_the_snapshot(client):
    """A change of the API changes the file: `PYTHONPATH=. python tests/http/test_open_pages.py` writes it."""
    answer = await client.get("/schema/openapi.json")
    assert told(answer.json()) == SNAPSHOT.read_text(encoding="utf-8")


async def test_openapi_names_every_call_of_the_contract(client):
    paths = (await client.get("/schema/openapi.json")).json()["paths"]
    assert {(verb, path) for path, verbs in paths.items() for verb in verbs if verb != "parameters"} >= {
        ("post", "/v1/context"),
        ("post", "/v1/outcome"),
        ("post", "/v1/context/batch"),
        ("post", "/v1/outcome/batch"),
        ("get", "/v1/profile/{user_id}"),
        ("put", "/v1/profile/{user_id}"),
        ("delete", "/v1/profile/{user_id}"),
        ("get", "/v1/profile/{user_id}/export"),
        ("get", "/v1/profile/{user_id}/posterior"),
        ("post", "/v1/admin/refit"),
        ("post", "/v1/admin/rollback"),
        ("get", "/v1/insights/population"),
    }


async def test_the_reference_and_all_that_it_loads_comes_from_here(client):
    page = await client.get("/schema")
    assert page.headers["Content-Type"].startswith("text/html")
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page.text)
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    assert len(loaded) >= 4
    for path in loaded:
        answer = await client.get(path)
        assert (answer.status_code, bool(answer.content)) == (200, True), path


def snapshot():
    """The API's description of the code as it is."""
    import fakeredis

    from amp.app import create
    from amp.store.connection import Store

    app = create(Settings(secret="only to describe"), Store(fakeredis.FakeAsyncRedis()))
    return app._app.openapi_schema.to_schema()


if __name__ == "__main__":
    SNAPSHOT.write_text(told(snapshot()), encoding="utf-8")
    sys.stdout.write(f"{SNAPSHOT} is written\n")
