"""Which key opens what: every route under every scope, and keys that open nothing."""

import pytest
from envelopes import refused

from amp.clock import now_ms
from amp.tenancy import ALL_SCOPES, DEFAULT_SCOPES, SCOPES

ROUTES = {
    ("POST", "/v1/context"): {"context"},
    ("POST", "/v1/context/batch"): {"context"},
    ("POST", "/v1/outcome"): {"outcome"},
    ("POST", "/v1/outcome/batch"): {"outcome"},
    ("GET", "/v1/profile/ada"): {"profile", "read"},
    ("PUT", "/v1/profile/ada"): {"profile"},
    ("DELETE", "/v1/profile/ada"): {"profile"},
    ("GET", "/v1/profile/ada/export"): {"profile", "read"},
    ("GET", "/v1/profile/ada/posterior"): {"profile", "read"},
    ("POST", "/v1/admin/refit"): {"admin"},
    ("POST", "/v1/admin/rollback"): {"admin"},
    ("GET", "/v1/insights/population"): {"read", "admin"},
    ("GET", "/v1/insights/lift"): {"read", "admin"},
    ("GET", "/v1/insights/reporting"): {"read", "admin"},
    ("GET", "/v1/insights/state"): {"read", "admin"},
    ("GET", "/v1/insights/approaches"): {"read", "admin"},
    ("GET", "/v1/insights/approaches/history"): {"read", "admin"},
    ("GET", "/v1/insights/users"): {"read", "admin"},
    ("GET", "/v1/insights/users/ada"): {"profile", "read"},
    ("GET", "/v1/insights/users/ada/history"): {"profile", "read"},
    ("GET", "/v1/insights/trust"): {"read", "admin"},
    ("GET", "/v1/insights/keys"): {"read", "admin"},
    ("GET", "/v1/usage"): {"read", "admin", "context"},
    ("GET", "/v1/insights/sessions"): {"read", "sessions"},
    ("GET", "/v1/insights/sessions/sesn_1"): {"read", "sessions"},
    ("GET", "/v1/policy"): {"admin", "read"},
    ("GET", "/v1/policy/versions/1"): {"admin", "read"},
    ("PUT", "/v1/policy"): {"admin"},
    ("GET", "/v1/bridge"): {"admin", "read"},
    ("GET", "/v1/bridge/versions/1"): {"admin", "read"},
    ("GET", "/v1/bridge/status"): {"admin", "read"},
    ("PUT", "/v1/bridge"): {"admin"},
}
LEDGER = "/profitstream/v2/api"
ROUTES_OF_LEDGER = {
    ("POST", "/meter/v2/ai/completions"): {"meter", "ledger"},
    ("POST", "/meter/v2/tool/events"): {"meter", "ledger"},
    ("POST", "/meter/meter/v2/tool/events"): {"meter", "ledger"},
    ("POST", "/v1/ledger/meter/batch"): {"meter", "ledger"},
    ("POST", f"{LEDGER}/jobs"): {"ledger"},
    ("GET", f"{LEDGER}/jobs/types"): {"read", "ledger"},
    ("GET", f"{LEDGER}/jobs/ada"): {"read", "ledger"},
    ("GET", f"{LEDGER}/jobs/ada/transactions"): {"read", "ledger"},
    ("POST", f"{LEDGER}/jobs/ada/outcome"): {"ledger"},
    ("PATCH", f"{LEDGER}/jobs/ada/outcome"): {"ledger"},
    ("GET", f"{LEDGER}/jobs/ada/outcome/history"): {"read", "ledger"},
    ("POST", f"{LEDGER}/jobs/ada/outcome/metrics"): {"ledger"},
    ("GET", f"{LEDGER}/jobs"): {"read", "ledger"},
    ("GET", f"{LEDGER}/jobs/conversion-funnel"): {"read", "ledger"},
    ("GET", f"{LEDGER}/jobs/ada/roi"): {"read", "ledger"},
    ("GET", "/api/v2/analytics/jobs/roi-summary"): {"read", "ledger"},
    ("GET", "/v1/ledger/report"): {"read", "ledger"},
    ("GET", "/v1/ledger/jobs"): {"read", "ledger"},
    ("GET", "/v1/ledger/jobs/ada/chain"): {"read", "ledger"},
    ("GET", "/v1/ledger/jobs/ada/timeline"): {"read", "ledger"},
    ("GET", "/v1/ledger/pricing"): {"admin", "read"},
    ("GET", "/v1/ledger/tools"): {"admin", "read"},
    ("GET", "/v1/ledger/rates"): {"admin", "read"},
    ("PUT", "/v1/ledger/pricing"): {"admin"},
    ("PUT", "/v1/ledger/tools"): {"admin"},
    ("PUT", "/v1/ledger/rates"): {"admin"},
    ("GET", f"{LEDGER}/teams"): {"read", "meter", "ledger"},
    ("GET", f"{LEDGER}/users/me"): {"read", "meter", "ledger"},
}
DO, SEE, HAND = {"sessions"}, {"sessions", "read"}, {"sessions", "read", "worker"}
ROUTES_OF_SESSIONS = {
    ("POST", "/v1/sessions"): DO,
    ("GET", "/v1/sessions"): SEE,
    ("GET", "/v1/sessions/ada"): HAND,
    ("POST", "/v1/sessions/ada"): DO,
    ("DELETE", "/v1/sessions/ada"): DO,
    ("POST", "/v1/sessions/ada/archive"): DO,
    ("GET", "/v1/sessions/ada/events"): HAND,
    ("POST", "/v1/sessions/ada/events"): {"sessions", "worker"},
    ("GET", "/v1/sessions/ada/events/stream"): HAND,
    ("POST", "/v1/agents"): DO,
    ("GET", "/v1/agents"): SEE,
    ("GET", "/v1/agents/ada"): HAND,
    ("POST", "/v1/agents/ada"): DO,
    ("POST", "/v1/agents/ada/archive"): DO,
    ("GET", "/v1/agents/ada/versions"): SEE,
    ("POST", "/v1/environments"): DO,
    ("GET", "/v1/environments"): SEE,
    ("GET", "/v1/environments/ada"): HAND,
    ("POST", "/v1/environments/ada"): DO,
    ("DELETE", "/v1/environments/ada"): DO,
    ("POST", "/v1/environments/ada/archive"): DO,
    ("GET", "/v1/environments/ada/work"): HAND,
    ("GET", "/v1/environments/ada/work/stats"): HAND,
    ("GET", "/v1/environments/ada/work/ben"): HAND,
    ("POST", "/v1/environments/ada/work/ben"): {"sessions", "worker"},
    ("POST", "/v1/environments/ada/work/ben/stop"): {"sessions", "worker"},
    ("GET", "/v1/environments/ada/work/poll"): {"worker"},
    ("POST", "/v1/environments/ada/work/ben/ack"): {"worker"},
    ("POST", "/v1/environments/ada/work/ben/heartbeat"): {"worker"},
    ("POST", "/v1/files"): {"sessions", "worker"},
    ("GET", "/v1/files"): HAND,
    ("GET", "/v1/files/ada"): HAND,
    ("GET", "/v1/files/ada/content"): HAND,
    ("DELETE", "/v1/files/ada"): DO,
}
OPEN = ["/livez", "/readyz", "/metrics", "/schema", "/schema/openapi.json"]


@pytest.mark.parametrize("scope", [*SCOPES, ALL_SCOPES])
async def test_a_scope_opens_its_routes_and_no_others(caller, scope):
    client = await caller(scope)
    for (verb, path), scopes in ROUTES.items():
        answer = await client.request(verb, path, json={} if verb in {"POST", "PUT"} else None)
        if scope in scopes | {ALL_SCOPES}:
            assert answer.status_code not in {401, 403}, (verb, path)
        else:
            details = refused(answer, 403, "FORBIDDEN")
            assert details["scope"] in scopes


@pytest.mark.parametrize("scope", [*SCOPES, ALL_SCOPES])
async def test_a_scope_opens_its_part_of_the_ledger_and_no_more(caller, scope):
    """`meter` may meter and not report, `read` only reads, `ledger` does all of it."""
    client = await caller(scope)
    for (verb, path), scopes in ROUTES_OF_LEDGER.items():
        answer = await client.request(verb, path, json=None if verb == "GET" else {})
        if scope in scopes | {ALL_SCOPES}:
            assert answer.status_code not in {401, 403}, (verb, path)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (verb, path)


@pytest.mark.parametrize("scope", [*SCOPES, ALL_SCOPES])
async def test_a_scope_opens_its_part_of_sessions_and_no_more(caller, scope):
    """`read` only reads, a worker's key is for one environment, `sessions` does all but the work itself."""
    client = await caller(scope, environment="ada")
    for (verb, path), scopes in ROUTES_OF_SESSIONS.items():
        answer = await client.request(verb, path, json={"metadata": {}} if verb == "POST" else None)
        if scope in scopes | {ALL_SCOPES}:
            by_worker_alone = scope == "worker" and path == "/v1/files"  # it names a session of its own
            assert answer.status_code not in {401, 403} or by_worker_alone, (verb, path)
        else:
            told = answer.json()["error"]
            assert (answer.status_code, told["type"]) == (403, "permission_error"), (verb, path)


@pytest.mark.parametrize(("verb", "path"), ROUTES_OF_SESSIONS)
async def test_without_a_good_key_no_session_opens(client, verb, path):
    del client.headers["Authorization"]
    for sent in ({}, {"x-api-key": ""}, {"x-api-key": "sk-ant-x"}, {"Authorization": "Basic YTpi"}):
        answer = await client.request(verb, path, headers=sent)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error"), sent
        assert answer.json()["request_id"] == answer.headers["request-id"]


@pytest.mark.parametrize(("verb", "path"), ROUTES_OF_LEDGER)
async def test_without_a_good_key_no_ledger_opens(client, verb, path):
    del client.headers["Authorization"]
    for sent in ({}, {"x-api-key": ""}, {"x-api-key": "rev_sk_acme_x"}, {"Authorization": "Basic YTpi"}):
        answer = await client.request(verb, path, headers=sent)
        assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized"), sent


async def test_a_key_in_x_api_key_opens_the_ledger_and_sessions_and_nothing_else(client):
    key = client.headers.pop("Authorization").removeprefix("Bearer ")
    client.headers["x-api-key"] = key
    assert (await client.get(f"{LEDGER}/teams")).status_code == 200
    assert (await client.get("/v1/sessions")).status_code == 200
    assert (await client.post("/meter/v2/ai/completions")).status_code == 400
    refused(await client.context(), 401, "UNAUTHORIZED")
    refused(await client.get("/v1/profile/ada"), 401, "UNAUTHORIZED")


def test_every_route_is_in_the_matrix(app):
    """A route that is added without a word about its scopes would be open to everybody."""
    known = {path.replace("ada", "{user_id:str}") for _, path in ROUTES} | set(OPEN)
    known |= {path.replace("ada", "{job_id:str}") for _, path in ROUTES_OF_LEDGER}
    for _, path in ROUTES_OF_SESSIONS:
        kind = path.split("/")[2][:-1]
        known.add(path.replace("ada", f"{{{kind}_id:str}}").replace("ben", "{work_id:str}"))
    known |= {path.replace("versions/1", "versions/{number:str}") for path in known}
    known |= {path.replace("sesn_1", "{session_id:str}") for path in known}
    for route in app._app.routes:
        assert route.path in known or route.path.startswith("/schema"), route.path


async def test_a_new_key_has_the_scopes_of_the_published_calls(client):
    assert DEFAULT_SCOPES == ("context", "outcome", "profile", "ledger", "sessions")
    await client.interact()
    assert (await client.put("/v1/profile/ada", json={})).status_code == 200


@pytest.mark.parametrize("path", OPEN)
async def test_what_machines_ask_needs_no_key(client, path):
    del client.headers["Authorization"]
    assert (await client.get(path)).status_code not in {401, 403}


@pytest.mark.parametrize(("verb", "path"), ROUTES)
async def test_without_a_good_key_nothing_opens(client, verb, path):
    headers = [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "amp_sk_test_x",
        "Bearer amp_sk_test_x",
        "Bearer \xff",
    ]
    for header in headers:
        client.headers.pop("Authorization", None)
        sent = {"Authorization": header.encode("latin-1")} if header is not None else {}
        answer = await client.request(verb, path, headers=sent)
        refused(answer, 401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_counts_whatever_the_case_of_the_scheme(client):
    key = client.headers["Authorization"].removeprefix("Bearer ")
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert (
            await client.post("/v1/context", headers={"Authorization": f"{scheme} {key}"})
        ).status_code == 400


async def test_the_key_comes_before_the_body(client):
    """Who may not call learns nothing of what the body should have been."""
    client.headers["Authorization"] = "Bearer amp_sk_test_x"
    for verb, path in ROUTES:
        refused(await client.request(verb, path, content=b"[" * 70_000), 401, "UNAUTHORIZED")


async def test_a_key_expires(caller, keyring, monkeypatch):
    client = await caller(expires_ms=now_ms() + 3_600_000)
    assert (await client.context()).status_code == 200
    monkeypatch.setattr(keyring, "_clock", lambda: now_ms() - 3_600_000)  # made an hour ago
    ended = await caller(expires_ms=now_ms() - 1)
    refused(await ended.context(), 401, "KEY_EXPIRED")
    refused(await ended.get("/v1/profile/ada"), 401, "KEY_EXPIRED")


async def test_a_revoked_key_is_refused_once_the_table_was_read_again(client, app, keyring):
    """Workers read it every 250 ms."""
    assert (await client.context()).status_code == 200
    (record,) = await keyring.all()
    await keyring.revoke(record.id)
    await app._gate._keys.refresh()
    refused(await client.context(), 401, "UNAUTHORIZED")
    refused(await client.get("/v1/profile/ada"), 401, "UNAUTHORIZED")


async def test_a_new_key_works_at_once(client, caller):
    assert (await (await caller()).context()).status_code == 200


async def test_a_rotated_key_hands_its_rights_on(client, app, keyring):
    (record,) = await keyring.all()
    fresh, _ = await keyring.rotate(record.id)
    await app._gate._keys.refresh()
    refused(await client.context(), 401, "UNAUTHORIZED")
    client.headers["Authorization"] = f"Bearer {fresh}"
    assert (await client.context()).status_code == 200


async def test_keys_are_kept_as_digests(client, store):
    secret = client.headers["Authorization"].removeprefix("Bearer ").rsplit("_", 1)[1]
    kept = b"".join(await store.ask("HGETALL", "{amp}:keys"))
    assert secret.encode() not in kept
