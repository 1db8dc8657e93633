"""Every bad input of the contract is a 400 in its shape, and nothing is stored."""

import httpx
import pytest

from amp.grading.types import DESCRIPTION_LENGTH_MAX, RUBRIC_LENGTH_MAX


def outcome(**fields):
    told = {
        "type": "user.define_outcome",
        "description": "Write it",
        "rubric": {"type": "text", "content": "- it is written"},
        **fields,
    }
    return {name: value for name, value in told.items() if value is not ...}


def text(words="hello", **more):
    return {"type": "text", "text": words, **more}


def message(*content, **more):
    return {"type": "user.message", "content": list(content), **more}


BAD_EVENTS = {
    "max_iterations 0": [outcome(max_iterations=0)],
    "max_iterations negative": [outcome(max_iterations=-1)],
    "max_iterations 21": [outcome(max_iterations=21)],
    "max_iterations a float": [outcome(max_iterations=3.0)],
    "max_iterations a half": [outcome(max_iterations=2.5)],
    "max_iterations a string": [outcome(max_iterations="3")],
    "max_iterations true": [outcome(max_iterations=True)],
    "a misspelt field": [outcome(max_iteration=3)],
    "no description": [outcome(description=...)],
    "description null": [outcome(description=None)],
    "description empty": [outcome(description="")],
    "description blank": [outcome(description=" \n")],
    "description unseen": [outcome(description="\u200b\x07\xa0")],
    "description too long": [outcome(description="x" * (DESCRIPTION_LENGTH_MAX + 1))],
    "no rubric": [outcome(rubric=...)],
    "rubric a string": [outcome(rubric="- it is written")],
    "rubric without type": [outcome(rubric={"content": "- x"})],
    "rubric of an unknown type": [outcome(rubric={"type": "url", "url": "http://x"})],
    "rubric empty": [outcome(rubric={"type": "text", "content": ""})],
    "rubric blank": [outcome(rubric={"type": "text", "content": "  \n "})],
    "rubric unseen": [outcome(rubric={"type": "text", "content": "\ufeff\u200b\x00"})],
    "rubric too long": [outcome(rubric={"type": "text", "content": "x" * (RUBRIC_LENGTH_MAX + 1)})],
    "rubric a file that is not there": [outcome(rubric={"type": "file", "file_id": "file_x"})],
    "rubric a file without id": [outcome(rubric={"type": "file"})],
    "two outcomes": [outcome(), outcome()],
    "a good message before a bad outcome": [message(text()), outcome(max_iterations=0)],
    "an unknown type": [{"type": "user.shout"}],
    "no type": [{"content": [text()]}],
    "an output event": [{"type": "session.status_idle", "stop_reason": {"type": "end_turn"}}],
    "not an object": ["user.message"],
    "null": [None],
    "message without content": [{"type": "user.message"}],
    "message with no block": [message()],
    "message with a string": [{"type": "user.message", "content": "hello"}],
    "a redacted block": [message({"type": "redacted"})],
    "a block of an unknown type": [message({"type": "video"})],
    "text without text": [message({"type": "text"})],
    "text that is a number": [message({"type": "text", "text": 1})],
    "an image without source": [message({"type": "image"})],
    "system message alone": [{"type": "system.message", "content": [text()]}],
    "system message first": [{"type": "system.message", "content": [text()]}, message(text())],
    "system message after an outcome": [outcome(), {"type": "system.message", "content": [text()]}],
    "confirmation of neither": [{"type": "user.tool_confirmation", "tool_use_id": "t", "result": "maybe"}],
    "confirmation of nothing": [{"type": "user.tool_confirmation", "result": "allow"}],
    "tool result of nothing": [{"type": "user.tool_result"}],
    "custom tool result of nothing": [{"type": "user.custom_tool_result"}],
    "confirmation of an unknown use": [
        {"type": "user.tool_confirmation", "tool_use_id": "sevt_x", "result": "allow"}
    ],
    "tool result of an unknown use": [{"type": "user.tool_result", "tool_use_id": "sevt_x"}],
    "custom tool result of an unknown use": [
        {"type": "user.custom_tool_result", "custom_tool_use_id": "sevt_x", "content": [text()]}
    ],
    "no event": [],
    "51 events": [message(text())] * 51,
    "user and worker at once": [message(text()), {"type": "agent.thinking"}],
}
BAD_BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "events no list": b'{"events": {}}',
    "no events": b"{}",
    "an unknown field": b'{"events": [{"type": "user.interrupt"}], "x": 1}',
    "not UTF-8": b'{"events": [{"type": "user.message", "content": [{"type": "text", "text": "\xff"}]}]}',
    "too deep": b"[" * 100_000,
}
BAD_SESSIONS = {
    "no agent": {"agent": ...},
    "no environment": {"environment_id": ...},
    "agent a number": {"agent": 1},
    "agent of no type": {"agent": {"id": "agent_x"}},
    "agent of a bad version": {"agent": {"type": "agent", "id": "agent_x", "version": 0}},
    "17 keys of metadata": {"metadata": {str(n): "x" for n in range(17)}},
    "a long key": {"metadata": {"k" * 65: "x"}},
    "a long value": {"metadata": {"k": "x" * 513}},
    "metadata a number": {"metadata": {"k": 1}},
    "an outcome as a field": {"outcome": outcome()},
    "a rubric as a field": {"rubric": "- x"},
    "a first event of another type": {"initial_events": [{"type": "user.interrupt"}]},
    "two first outcomes": {"initial_events": [outcome(), outcome()]},
    "51 first events": {"initial_events": [message(text())] * 51},
    "a bad first event": {"initial_events": [message(text()), outcome(max_iterations=0)]},
    "a vault": {"vault_ids": ["vlt_x"]},
    "a budget": {"budget": {"type": "limit", "max_list_cost": {"amount": "1", "currency": "USD"}}},
    "a repository": {"resources": [{"type": "github_repository", "url": "http://x"}]},
    "a file that is not there": {"resources": [{"type": "file", "file_id": "file_x"}]},
}
BAD_QUERIES = [
    "/v1/sessions?limit=0",
    "/v1/sessions?limit=1001",
    "/v1/sessions?limit=x",
    "/v1/sessions?order=up",
    "/v1/sessions?page=x",
    "/v1/sessions?page=page_e30",
    "/v1/sessions?statuses[]=busy",
    "/v1/sessions?created_at[gte]=yesterday",
    "/v1/sessions?agent_version=x",
    "/v1/sessions?include_archived=perhaps",
    "/v1/sessions/{id}/events?limit=0",
    "/v1/sessions/{id}/events?limit=1001",
    "/v1/sessions/{id}/events?order=up",
    "/v1/sessions/{id}/events?page=x",
    "/v1/sessions/{id}/events?created_at[lt]=x",
    "/v1/sessions/{id}/events/stream?event_deltas[]=agent.tool_use",
    "/v1/files?limit=0",
    "/v1/files?page=x",
    "/v1/agents?page=x",
    "/v1/environments?limit=x",
]
BAD_AGENTS = {
    "no model": {"name": "x"},
    "no name": {"model": "script"},
    "an empty name": {"name": "", "model": "script"},
    "a model without id": {"name": "x", "model": {}},
    "an effort that is none": {"name": "x", "model": {"id": "y", "effort": "lazy"}},
    "a tool of no type": {"name": "x", "model": "script", "tools": [{}]},
    "a custom tool without schema": {
        "name": "x",
        "model": "script",
        "tools": [{"type": "custom", "name": "n", "description": "d"}],
    },
    "a tool that is not built in": {
        "name": "x",
        "model": "script",
        "tools": [{"type": "agent_toolset_20260401", "configs": [{"name": "rm"}]}],
    },
    "a server without url": {"name": "x", "model": "script", "mcp_servers": [{"type": "url", "name": "n"}]},
    "an unknown field": {"name": "x", "model": "script", "prompt": "y"},
}


@pytest.fixture
async def raw(app, key):
    headers = {"Authorization": f"Bearer {await key('sessions')}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://amp.test", headers=headers) as client:
        yield client


@pytest.fixture
def store(fake_store):
    """What is refused before the store is asked needs no real one."""
    return fake_store


@pytest.fixture
async def ids(raw):
    """An agent, an environment and a session."""
    agent = (await raw.post("/v1/agents", json={"name": "w", "model": "script"})).json()["id"]
    environment = (await raw.post("/v1/environments", json={"name": "e"})).json()["id"]
    made = await raw.post("/v1/sessions", json={"agent": agent, "environment_id": environment})
    assert made.status_code == 200, made.text
    return agent, environment, made.json()["id"]


def refused(answer, status=400, kind="invalid_request_error"):
    body = answer.json()
    assert (answer.status_code, body["type"], body["error"]["type"]) == (status, "error", kind), answer.text
    assert body["error"]["message"]
    assert body["error"]["details"]["error_code"]
    assert body["request_id"] == answer.headers["request-id"]


@pytest.fixture
def kept(fake_store):
    """All that the store has."""

    async def all_of():
        names = sorted(await fake_store.ask("KEYS", "*"))
        dumps = [await fake_store.ask("DUMP", name) for name in names]
        return dict(zip(names, dumps, strict=True))

    return all_of


async def test_bad_events_are_refused_and_nothing_is_stored(raw, ids, kept):
    path = f"/v1/sessions/{ids[2]}/events"
    before = await kept()
    for why, events in BAD_EVENTS.items():
        answer = await raw.post(path, json={"events": events})
        assert answer.status_code == 400, why
        refused(answer)
    assert await kept() == before


@pytest.mark.parametrize("why", BAD_BODIES)
async def test_bad_bodies_are_refused(raw, ids, kept, why):
    before = await kept()
    refused(await raw.post(f"/v1/sessions/{ids[2]}/events", content=BAD_BODIES[why]))
    assert await kept() == before


async def test_bad_sessions_are_refused_and_nothing_is_stored(raw, ids, kept):
    before = await kept()
    for why, fields in BAD_SESSIONS.items():
        body = {"agent": ids[0], "environment_id": ids[1], **fields}
        answer = await raw.post("/v1/sessions", json={n: v for n, v in body.items() if v is not ...})
        assert answer.status_code == 400, (why, answer.text)
        refused(answer)
    assert await kept() == before


async def test_bad_agents_are_refused(raw, ids, kept):
    before = await kept()
    for why, body in BAD_AGENTS.items():
        answer = await raw.post("/v1/agents", json=body)
        assert answer.status_code == 400, (why, answer.text)
        refused(answer)
    assert await kept() == before


@pytest.mark.parametrize("path", BAD_QUERIES)
async def test_bad_queries_are_refused(raw, ids, path):
    refused(await raw.get(path.replace("{id}", ids[2])))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/sessions/sesn_x",
        "/v1/sessions/sesn_x/events",
        "/v1/sessions/sesn_x/events/stream",
        "/v1/sessions/%F0%9F%92%A9",
        "/v1/agents/agent_x",
        "/v1/agents/agent_x/versions",
        "/v1/environments/env_x",
        "/v1/environments/env_x/work/work_x",
        "/v1/files/file_x",
        "/v1/files/..%2F..%2Fsecret/content",
        "/v1/vaults",
        "/v1/memory_stores/x",
        "/v1/sessions/x/threads",
    ],
)
async def test_what_is_not_there_is_a_404_in_their_shape(raw, ids, path):
    refused(await raw.get(path), 404, "not_found_error")


async def test_a_method_that_a_path_does_not_know(raw):
    refused(await raw.put("/v1/sessions", json={}), 405)


async def test_a_body_that_is_too_large(raw, ids):
    refused(await raw.post(f"/v1/sessions/{ids[2]}/events", content=b"x" * (8 * 1024 * 1024 + 1)), 413)


async def test_uploads_are_checked(raw, kept):
    before = await kept()
    refused(await raw.post("/v1/files", json={"file": "x"}))
    refused(await raw.post("/v1/files", files={"other": ("x", b"x")}))
    refused(await raw.post("/v1/files", data={"file": "x"}))
    refused(await raw.post("/v1/files", headers={"content-type": "multipart/form-data"}, content=b"x"))
    for seconds in ("0", "-1", "x", "1e3", "99999999999"):
        refused(
            await raw.post("/v1/files", files={"file": ("x", b"x")}, data={"expires_in_seconds": seconds})
        )
    refused(
        await raw.post("/v1/files", files={"file": ("x", b"x")}, data={"scope_id": "sesn_x"}),
        404,
        "not_found_error",
    )
    assert await kept() == before


async def test_a_file_over_its_limit(raw, tmp_path):
    over = b"x" * (32 * 1024 * 1024 + 1)
    refused(await raw.post("/v1/files", files={"file": ("x", over)}), 413)
    assert not list(tmp_path.rglob("file_*"))


async def test_a_rubric_file_that_is_no_text(raw, ids):
    for content in (b"\xff\xfe", b"", b"  ", "\ufeff\u200b".encode(), b"x" * (4 * RUBRIC_LENGTH_MAX + 1)):
        file = (await raw.post("/v1/files", files={"file": ("x", content)})).json()["id"]
        event = outcome(rubric={"type": "file", "file_id": file})
        refused(await raw.post(f"/v1/sessions/{ids[2]}/events", json={"events": [event]}))


async def test_the_limits_themselves_are_allowed(raw, ids):
    event = outcome(
        description="x" * DESCRIPTION_LENGTH_MAX,
        rubric={"type": "text", "content": "ü" * RUBRIC_LENGTH_MAX},
        max_iterations=20,
    )
    answer = await raw.post(f"/v1/sessions/{ids[2]}/events", json={"events": [event]})
    assert answer.status_code == 200, answer.text
    other = await raw.post("/v1/sessions", json={"agent": ids[0], "environment_id": ids[1]})
    events = [outcome(max_iterations=None), *[message(text())] * 49]
    answer = await raw.post(f"/v1/sessions/{other.json()['id']}/events", json={"events": events})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"][0]["max_iterations"] == 3


async def test_headers_that_the_client_adds_change_nothing(raw):
    for headers in ({"anthropic-version": "1999-01-01"}, {"anthropic-beta": "x,y"}, {"Accept": "text/plain"}):
        answer = await raw.get("/v1/sessions?beta=true", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


async def test_without_a_store_it_is_503_and_may_be_tried_again(raw, ids, outage):
    with outage():
        answer = await raw.get(f"/v1/sessions/{ids[2]}")
    refused(answer, 503, "overloaded_error")
    assert answer.headers["retry-after"] == "1"


async def test_what_has_ended_takes_no_events(raw, ids):
    await raw.post(f"/v1/sessions/{ids[2]}/archive")
    refused(await raw.post(f"/v1/sessions/{ids[2]}/events", json={"events": [message(text())]}))
    refused(await raw.post(f"/v1/sessions/{ids[2]}", json={"title": "x"}))


async def test_a_request_that_comes_again_is_taken_in_once(raw, ids):
    path = f"/v1/sessions/{ids[2]}/events"
    body = {"events": [message(text("once"))]}
    first = await raw.post(path, json=body)
    again = await raw.post(path, json=body, headers={"x-stainless-retry-count": "1"})
    assert again.json() == first.json()
    keyed = [await raw.post(path, json=body, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert keyed[0].json() == keyed[1].json() != first.json()
    said = await raw.post(path, json=body)
    assert said.json() != first.json()
    made = {"agent": ids[0], "environment_id": ids[1]}
    one = await raw.post("/v1/sessions", json=made)
    two = await raw.post("/v1/sessions", json=made, headers={"x-stainless-retry-count": "2"})
    three = await raw.post("/v1/sessions", json=made)
    assert one.json()["id"] == two.json()["id"] != three.json()["id"]
