"""The pages of the HTTP API, from the OpenAPI description of the code that is installed.

Scopes and errors are read from the handler that serves the operation: what the services that it calls say they
raise, what it says of single fields, and what follows from a key, a body, or something in its path.
"""

import ast
import inspect
import re
import secrets
import textwrap
from collections.abc import Iterable
from typing import Any, NamedTuple, get_type_hints

from amp import errors
from amp.app import create
from amp.http.requests import REFUSALS
from amp.settings import Settings
from amp.store.connection import connect

Schema = dict[str, Any]

PAGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "learning": (
        "Contexts, outcomes, profiles",
        "What an agent asks before it answers, what it reports afterwards, and what is known of a user.",
        ("/v1/context", "/v1/outcome", "/v1/profile", "/v1/policy"),
    ),
    "insights": (
        "Insights",
        "What is believed, what it is worth, and what is going on. All of it is read only.",
        ("/v1/insights", "/v1/usage"),
    ),
    "ledger": (
        "Ledger",
        "Jobs, what they used, what came of them, and reports. Paths outside `/v1` are those of the vendor's SDK.",
        ("/meter", "/profitstream", "/api/v2", "/v1/ledger"),
    ),
    "sessions": (
        "Sessions",
        "Sessions with a stated outcome, agents, environments, files, and the work of your own workers: what the client `anthropic` speaks.",
        ("/v1/sessions", "/v1/agents", "/v1/environments", "/v1/files"),
    ),
    "admin": (
        "Bridge and administration",
        "What jobs and grades teach, and the population's prior.",
        ("/v1/bridge", "/v1/admin"),
    ),
    "health": ("Health", "What machines ask; no key is needed.", ()),
}
"""File name to title, first sentence, and what its paths begin with; the last takes the rest."""
_VERBS = ("get", "post", "put", "patch", "delete")


class Served(NamedTuple):
    """What is known of an operation beside its description."""

    scopes: tuple[str, ...]
    raised: frozenset[type[errors.AmpError]]
    by_field: dict[str, type[errors.AmpError]]


def described() -> tuple[Schema, dict[tuple[str, str], Served]]:
    """OpenAPI, and who serves each verb and path."""
    app: Any = create(Settings(secret=secrets.token_urlsafe()), connect("unix:///nowhere"))
    app = app._app  # noqa: SLF001  Litestar's, behind the fast lane
    served = {
        (verb.lower(), route.path_format): Served(
            tuple(handler.opt.get("scopes") or ()),
            frozenset(_raised(handler.fn) if handler.fn.__module__.startswith("amp.") else ()),
            handler.opt.get(REFUSALS) or {},
        )
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        for verb in handler.http_methods
    }
    return app.openapi_schema.to_schema(), served


def _raised(handler: Any) -> Iterable[type[errors.AmpError]]:
    """The errors that the services of this handler name under `Raises:`."""
    given = {name: kind for name, kind in get_type_hints(handler).items() if isinstance(kind, type)}
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(handler)))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            method = getattr(given.get(node.value.id), node.attr, None)
            _, _, told = (inspect.getdoc(method) or "").partition("Raises:")
            for name in re.findall(r"^ +(\w+)(?:, (\w+))*:", told, re.MULTILINE):
                for each in filter(None, name):
                    if isinstance(kind := getattr(errors, each, None), type) and kind.status:
                        yield kind


def pages() -> dict[str, str]:
    """Markdown by file name, without its ending; `index` lists all operations."""
    api, served = described()
    written: dict[str, str] = {}
    listed = ["# HTTP API", "", _INTRODUCTION]
    for name, paths in _sorted(api["paths"]).items():
        title, sentence, _ = PAGES[name]
        operations = [
            (verb, path, paths[path][verb]) for path in paths for verb in _VERBS if verb in paths[path]
        ]
        written[name] = "\n".join(_page(title, sentence, operations, api, served))
        listed += [f"## {title}", "", sentence, "", "| operation | |", "| --- | --- |"]
        listed += [
            f"| [`{verb.upper()} {path}`]({name}.md#{_anchor(verb, path)}) | {_cell(operation['summary'])} |"
            for verb, path, operation in operations
        ]
        listed.append("")
    written["index"] = "\n".join(listed)
    return written


_INTRODUCTION = """\
Made from the OpenAPI description of the code, which a running server also has at `/schema/openapi.json`, with a page to
try calls at `/schema`.

- **JSON** in and out, UTF-8. Unknown fields are ignored, `null` for an optional field is the same as leaving it out, wrong
  types are a 400 that names the field.
- **The key** goes into `Authorization: Bearer amp_sk_...`; ledger and sessions also take it as `x-api-key`. It says whose
  data is meant, and whether live or test data.
- **Errors** have one shape an API, shown in [Errors](../errors.md). Under each operation stand those
  that it may answer with.
- **Times** are ISO 8601 in UTC, durations in the unit that a name ends with, seconds where none is named.
"""


def _sorted(paths: Schema) -> dict[str, Schema]:
    found: dict[str, Schema] = {name: {} for name in PAGES}
    for path, operations in paths.items():
        home = next(
            (name for name, (_, _, begins) in PAGES.items() if begins and path.startswith(begins)), "health"
        )
        found[home][path] = operations
    return {name: dict(sorted(paths.items())) for name, paths in found.items()}


def _anchor(verb: str, path: str) -> str:
    return f"{verb}-" + path.strip("/").replace("/", "-").replace("{", "").replace("}", "").replace(
        "_", "-"
    ).lower().replace(".", "-")


def _page(
    title: str,
    sentence: str,
    operations: list[tuple[str, str, Schema]],
    api: Schema,
    served: dict[tuple[str, str], Served],
) -> Iterable[str]:
    yield from (f"# {title}", "", sentence, "")
    schemas = api["components"]["schemas"]
    for verb, path, operation in operations:
        yield from _operation(verb, path, operation, schemas, served[verb, path])
    used = _reached([operation for _, _, operation in operations], schemas)
    if used:
        yield from ("## Types", "")
    for name in sorted(used):
        yield from (f"### {name} {{ #{_type_anchor(name)} }}", "")
        yield from _body(schemas[name])


def _operation(verb: str, path: str, operation: Schema, schemas: Schema, served: Served) -> Iterable[str]:
    yield from (f"## `{verb.upper()} {path}` {{ #{_anchor(verb, path)} }}", "")
    yield from (operation["summary"] + ".", "")
    if operation.get("description"):
        yield from (operation["description"].strip(), "")
    needed = " or ".join(f"`{scope}`" for scope in served.scopes)
    yield from (f"Scope of the key: {needed}, or `all`." if served.scopes else "No key is needed.", "")
    yield from _parameters(operation.get("parameters", ()))
    if body := operation.get("requestBody"):
        for kind, content in body["content"].items():
            yield from (f"**Body** ({kind}): {_type(content['schema'])}", "")
            yield from _shown(content["schema"], schemas)
    for status, answer in operation["responses"].items():
        if int(status) < 300:
            yield from _answer(status, answer, schemas)
    found = sorted(_errors(path, operation, schemas, served), key=lambda one: (one.status, one.code))
    told = (f"[`{one.code}`](../errors.md#{one.code.lower()}) {one.status}" for one in found)
    yield from (f"**Errors**: {', '.join(told)}", "")


def _parameters(parameters: Iterable[Schema]) -> Iterable[str]:
    rows = [
        f"| `{each['name']}` | {each['in']} | {_type(each['schema'])} | {_note(each['schema'], each.get('required'))} |"
        for each in parameters
    ]
    if rows:
        yield from ("| parameter | where | type | |", "| --- | --- | --- | --- |", *rows, "")


def _answer(status: str, answer: Schema, schemas: Schema) -> Iterable[str]:
    for kind, content in (answer.get("content") or {"no body": {"schema": {}}}).items():
        shape = _type(content["schema"]) if kind == "application/json" else kind
        yield from (f"**Answer** {status}: {shape}", "")
        yield from _shown(content["schema"], schemas)


def _errors(path: str, operation: Schema, schemas: Schema, served: Served) -> set[type[errors.AmpError]]:
    found = {errors.Internal, *served.raised}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    fields = (schemas[_name(body)] if "$ref" in body else body).get("properties", {})
    found |= {kind for name, kind in served.by_field.items() if name in fields}
    if "requestBody" in operation:
        found |= {errors.InvalidParameter, errors.PayloadTooLarge}
    if any(each["in"] != "path" for each in operation.get("parameters", ())):
        found.add(errors.InvalidParameter)
    if served.scopes:
        found |= {errors.Unauthorized, errors.KeyExpired, errors.Forbidden, errors.RateLimitExceeded}
        found.add(errors.StoreUnavailable)
    if "{" in path:
        found.add(errors.NotFound)
    return found - {errors.AmpError, errors.InvalidInput}


def _shown(schema: Schema, schemas: Schema) -> Iterable[str]:
    """The fields of a body, unless its type has them further down."""
    if "$ref" not in schema and schema.get("properties"):
        yield from _body(schema)
    elif "$ref" in schema:
        yield from _body(schemas[_name(schema)])


def _body(schema: Schema) -> Iterable[str]:
    if described := schema.get("description"):
        yield from (described, "")
    fields: Schema = schema.get("properties") or {}
    if not fields:
        yield from (_type(schema), "")
        return
    required = set(schema.get("required", ()))
    yield from ("| field | type | |", "| --- | --- | --- |")
    for name, each in fields.items():
        yield f"| `{name}` | {_type(each)} | {_note(each, name in required)} |"
    yield ""


def _note(schema: Schema, required: bool | None) -> str:
    """Whether it must be there, or what it is else; then what is said of it."""
    value = schema.get("default")
    told = f"default `{value}`" if value is not None and value not in ({}, []) else ""
    parts = ("required" if required else told, _cell(schema.get("description", "")))
    return "; ".join(part for part in parts if part)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _name(schema: Schema) -> str:
    return schema["$ref"].rpartition("/")[2]


def _type_anchor(name: str) -> str:
    return f"type-{name.lower()}"


def _type(schema: Schema) -> str:
    """A schema in words: `string, 1 to 256 characters or null`."""
    if "$ref" in schema:
        return f"[{_name(schema)}](#{_type_anchor(_name(schema))})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return _either("null" if value is None else f"`{value}`" for value in schema["enum"])
    if "oneOf" in schema:
        return _either(_type(each) + _limits(schema | each) for each in schema["oneOf"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return _either(_type(schema | {"type": each}) for each in kind)
    return _plain_type(kind, schema)


def _plain_type(kind: str | None, schema: Schema) -> str:
    if kind == "array":
        return f"list of {_type(schema['items'])}{_limits(schema)}" if schema.get("items") else "list"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) and values else "object"
    return f"{kind}{_limits(schema)}" if kind else "anything"


def _either(words: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(words))
    return " or ".join([word for word in distinct if word != "null"] + ["null"] * ("null" in distinct))


def _limits(schema: Schema) -> str:
    kind = schema.get("type")
    if kind == "string":
        return _range(schema.get("minLength"), schema.get("maxLength"), " characters")
    if kind == "array":
        return _range(schema.get("minItems"), schema.get("maxItems"), " items")
    if kind in {"integer", "number"}:
        below = schema.get("exclusiveMaximum")
        return _range(schema.get("minimum"), schema.get("maximum"), "") + (
            f", below {below:g}" if below is not None else ""
        )
    return ""


def _range(low: float | None, high: float | None, unit: str) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f", at least {low:,g}{unit}" if isinstance(low, float) else f", at least {low:,}{unit}"
    if low is None:
        return f", at most {high:,.0f}{unit}"
    return f", {low:,.0f} to {high:,.0f}{unit}" if high >= 2 else f", {low:g} to {high:g}{unit}"


def _reached(found: Any, schemas: Schema) -> set[str]:
    """The names of all types that these operations lead to."""
    reached: set[str] = set()
    left = [found]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if "$ref" in one and (name := _name(one)) not in reached:
                reached.add(name)
                left.append(schemas[name])
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    return reached
