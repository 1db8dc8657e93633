"""Whatever comes in as a body: an answer, or a clear 4xx in the envelope; never a 5xx."""

import json

import pytest
from envelopes import refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CALLS = {
    "/v1/context": "POST",
    "/v1/outcome": "POST",
    "/v1/context/batch": "POST",
    "/v1/outcome/batch": "POST",
    "/v1/profile/ada": "PUT",
}
NO_OBJECT = {
    "empty": b"",
    "blank": b"  \n",
    "null": b"null",
    "a number": b"7",
    "a string": b'"userId"',
    "a list": b'[{"userId":"ada","task":"x"}]',
    "true": b"true",
    "NaN": b"NaN",
    "half an object": b'{"userId":"ada"',
    "two objects": b'{"userId":"ada","task":"x","requestId":"x","started":true,"items":[]}' * 2,
    "a trailing comma": b'{"userId":"ada",}',
    "single quotes": b"{'userId':'ada'}",
    "a comment": b'{/* */"userId":"ada"}',
    "a byte order mark": b'\xef\xbb\xbf{"userId":"ada","task":"x"}',
    "UTF-16": '{"userId":"ada"}'.encode("utf-16"),
    "bytes that are no text": b"\xff\xfe\x00\x01" * 9,
    "a form": b"userId=ada&task=x",
    "100,000 brackets": b"[" * 50_000,
    "60,000 bytes of spaces": b" " * 60_000,
}


@pytest.mark.parametrize(("path", "verb"), CALLS.items())
async def test_a_body_that_is_no_json_object_is_refused(client, path, verb):
    for name, body in NO_OBJECT.items():
        answer = await client.request(verb, path, content=body)
        assert refused(answer, 400, "INVALID_PARAMETER")["field"] == "body", name


@pytest.mark.parametrize(("path", "verb"), CALLS.items())
async def test_what_is_nested_too_deeply_is_refused(client, path, verb):
    """At 100,000 brackets; in a batch they fit under the size limit."""
    deep = b"[" * 100_000 + b"]" * 100_000
    for body in (deep, b'{"metadata":%b}' % deep, b'{"items":[%b]}' % deep, b'{"unknown":%b}' % deep):
        answer = await client.request(verb, path, content=body)
        if "batch" in path:
            assert answer.status_code in {200, 400}
            assert "error" in answer.text
        else:
            refused(answer, 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(("path", "verb"), CALLS.items())
@pytest.mark.parametrize("field", ["metadata", "unknown", "userId", "started"])
async def test_30000_brackets_under_the_size_limit_are_refused(client, path, verb, field):
    deep = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    answer = await client.request(verb, path, content=b'{"%b":%b}' % (field.encode(), deep))
    assert refused(answer, 400, answer.json()["error"]["code"])["field"]


def nested(levels, kind):
    """A body whose metadata is so many objects, or lists in an object, inside each other."""
    opening, closing = (b"[", b"]") if kind == "lists" else (b'{"a":', b"}")
    value = opening * (levels - 1) + b"1" + closing * (levels - 1)
    return b'{"userId":"ada","task":"x","requestId":"%b","started":true,"metadata":{"a":' + value + b"}}"


@pytest.mark.parametrize("kind", ["objects", "lists"])
async def test_metadata_is_refused_by_name_where_it_is_too_deep_and_can_be_read_back_where_it_is_not(
    client, kind
):
    for levels in (2, 16, 31, 32, 33, 34, 64, 500, 960, 970, 973, 980, 990, 1000):
        request_id = await client.decided()
        body = nested(levels, kind) % request_id.encode()
        for path in ("/v1/context", "/v1/outcome", "/v1/profile/ada"):
            answer = await client.request(CALLS[path], path, content=body)
            if levels <= 32:
                assert answer.status_code == 200, (levels, answer.text)
            else:
                details = refused(answer, 400, "INVALID_PARAMETER")
                assert details["field"] == "metadata" or levels > 900, (levels, details)
                assert "deep" in details["reason"]
        for path in ("/v1/profile/ada", "/v1/profile/ada/export"):
            assert (await client.get(path)).status_code == 200, levels


@pytest.mark.parametrize("value", [b'{"b":1e999}', b"[1,[-1e999]]", b"1e999", b'{"x.y`z":1e999}'])
async def test_a_bad_number_inside_metadata_is_refused_by_the_name_of_the_field(client, value):
    body = b'{"userId":"ada","task":"x","metadata":{"a":%b}}' % value
    for verb, path in (("POST", "/v1/context"), ("PUT", "/v1/profile/ada")):
        answer = await client.request(verb, path, content=body)
        refused(answer, 400, "INVALID_PARAMETER", field="metadata")


async def test_100000_bytes_are_too_large_for_a_single_call_and_fine_for_a_batch(client):
    body = {"userId": "ada", "task": "x", "unknown": "y" * 100_000}
    refused(await client.post("/v1/context", json=body), 413, "PAYLOAD_TOO_LARGE")
    answer = await client.post("/v1/context/batch", json={"items": [body]})
    assert "requestId" in answer.json()["items"][0]


VALUES = ["7", "1.5", '""', '"x"', "true", "[]", "{}", "[1]", '{"a":1}', "null", "1e999", "-1e999", "NaN"]
VALUES += ["Infinity", "-Infinity", r'"\ud800"', r'"\udc00\ud800"', "1" * 400, "-", r'"\x"', "'x'"]
REQUIRED_STRING = {"7", "1.5", "true", "[]", "{}", "[1]", '{"a":1}', "null", "1e999", "-1e999"}
NO_JSON = {"NaN", "Infinity", "-Infinity", r'"\ud800"', r'"\udc00\ud800"', "-", r'"\x"', "'x'"}
WRONG = {
    "/v1/context": {
        "userId": ("INVALID_USER_ID", REQUIRED_STRING | {'""'}),
        "task": ("INVALID_TASK", REQUIRED_STRING | {'""'}),
        "complexity": ("INVALID_PARAMETER", (REQUIRED_STRING | {'""', '"x"'}) - {"null"}),
        "taskType": ("INVALID_PARAMETER", REQUIRED_STRING - {"null"}),
        "metadata": ("INVALID_PARAMETER", {"7", "1.5", '""', '"x"', "true", "[]", "[1]", "1e999"}),
    },
    "/v1/outcome": {
        "requestId": ("INVALID_PARAMETER", REQUIRED_STRING),
        "started": ("INVALID_PARAMETER", {"7", "1.5", '""', '"x"', "[]", "{}", "null", "1e999"}),
        "completed": ("INVALID_PARAMETER", {"7", "1.5", '""', '"x"', "[]", "{}", "1e999"}),
        "timeToStart": ("INVALID_PARAMETER", {'""', '"x"', "true", "[]", "{}", "1e999", "-1e999", "1" * 400}),
        "final": ("INVALID_PARAMETER", {"7", "1.5", '""', '"x"', "[]", "{}", "1e999"}),
        "step": ("INVALID_PARAMETER", {"1.5", '""', '"x"', "true", "[]", "{}", "1e999", "1" * 400}),
        "flowState": ("INVALID_PARAMETER", {"7", "1.5", '""', '"x"', "[]", "{}"}),
        "satisfaction": ("INVALID_PARAMETER", {'""', '"x"', "true", "[]", "{}", "7", "1.5", "1e999"}),
        "metadata": ("INVALID_PARAMETER", {"7", "1.5", '""', '"x"', "true", "[]", "[1]"}),
    },
    "/v1/profile/ada": {
        "preferredFraming": ("INVALID_PREFERENCE", REQUIRED_STRING - {"null"} | {'""', '"x"'}),
        "communicationStyle": ("INVALID_PREFERENCE", REQUIRED_STRING - {"null"} | {'""', '"x"'}),
        "complexityPreference": ("INVALID_PREFERENCE", REQUIRED_STRING - {"null"} | {'""', '"x"'}),
        "encouragementLevel": ("INVALID_PREFERENCE", REQUIRED_STRING - {"null"} | {'""', '"x"'}),
        "lock": ("INVALID_PARAMETER", {"7", "1.5", '""', '"x"', "[]", "{}", "1e999"}),
        "metadata": ("INVALID_PARAMETER", {"7", "1.5", '""', '"x"', "true", "[]", "[1]", "1e999"}),
    },
}


@pytest.mark.parametrize(("path", "field"), [(path, field) for path in WRONG for field in WRONG[path]])
async def test_a_value_of_the_wrong_kind_is_refused_by_its_field(client, path, field):
    """Each of VALUES in each field: refused by name, or not JSON, or taken; a refusal uses nothing up."""
    code, wrong = WRONG[path][field]
    good = {"userId": '"ada"', "task": '"x"', "started": "true", "requestId": f'"{await client.decided()}"'}
    for value in VALUES:
        members = {name: text for name, text in good.items() if name != field} | {field: value}
        body = "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"
        answer = await client.request(CALLS[path], path, content=body.encode())
        if value in wrong:
            refused(answer, 400, code, field=field)
        elif value in NO_JSON:
            refused(answer, 400, "INVALID_PARAMETER")
        else:
            assert answer.status_code < 500, (value, answer.text)


@pytest.mark.parametrize(
    ("path", "field", "code"),
    [
        ("/v1/context", "userId", "INVALID_USER_ID"),
        ("/v1/context", "task", "INVALID_TASK"),
        ("/v1/outcome", "requestId", "INVALID_PARAMETER"),
        ("/v1/outcome", "started", "INVALID_PARAMETER"),
    ],
)
async def test_a_field_that_is_needed_is_missed_by_name(client, path, field, code):
    body = {"userId": "ada", "task": "x", "requestId": "req_x", "started": True}
    del body[field]
    refused(await client.post(path, json=body), 400, code, field=field)


@pytest.mark.parametrize("items", ["missing", None, {}, "x", 7, [[]] * 101])
@pytest.mark.parametrize("path", ["/v1/context/batch", "/v1/outcome/batch"])
async def test_bad_items_are_refused(client, path, items):
    body = {} if items == "missing" else {"items": items}
    refused(await client.post(path, json=body), 400, "INVALID_PARAMETER", field="items")


async def test_null_and_unknown_fields_are_as_if_left_out(client):
    optional = dict.fromkeys(("complexity", "taskType", "metadata"))
    assert (await client.context(**optional, nonsense=[1])).status_code == 200
    optional = ("completed", "timeToStart", "final", "step", "flowState", "satisfaction", "metadata")
    answer = await client.outcome(await client.decided(), **dict.fromkeys(optional), nonsense={})
    assert answer.status_code == 200
    assert (await client.put("/v1/profile/ada", json={"lock": None, "nonsense": 1})).status_code == 200


async def test_of_a_field_said_twice_the_last_counts_and_each_must_be_good(client):
    answer = await client.post("/v1/context", content=b'{"userId":"bob","task":"x","userId":"ada"}')
    await client.outcome(answer.json()["requestId"])
    assert (await client.get("/v1/profile/ada")).json()["totalInteractions"] == 1
    answer = await client.post("/v1/context", content=b'{"userId":7,"task":"x","userId":"ada"}')
    refused(answer, 400, "INVALID_USER_ID", field="userId")


async def test_a_report_that_was_refused_can_be_corrected(client):
    request_id = await client.decided()
    for bad in (
        b'{"requestId":"%s","started":NaN}',
        b'{"requestId":"%s"}',
        b'{"requestId":"%s","started":1}',
    ):
        answer = await client.post("/v1/outcome", content=bad % request_id.encode())
        refused(answer, 400, "INVALID_PARAMETER")
    answer = await client.outcome(request_id)
    assert "Idempotent-Replay" not in answer.headers
    assert (await client.get("/v1/profile/ada")).json()["totalInteractions"] == 1


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
JSON = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(max_size=6), each, max_size=4)
)
FIELDS = sorted({field for fields in WRONG.values() for field in fields} | {"items"})
BODIES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8).map(lambda value: json.dumps(value).encode()),
)


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)  # one service for all examples: they are meant to share it
@given(body=BODIES)
async def test_no_body_whatever_is_a_failure_of_ours(client, body):
    for path, verb in CALLS.items():
        answer = await client.request(verb, path, content=body)
        assert answer.status_code < 500, (path, body, answer.text)
        if answer.status_code != 200:
            refused(answer, answer.status_code, answer.json()["error"]["code"])
