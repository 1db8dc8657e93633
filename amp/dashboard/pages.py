"""From a template and what it shows to an answer: a whole page, or one of its regions that is live.

A page is a `Page` with a `tab`, listed in `mount.PAGES`, and a template that extends `layout.html`. A region
is `{% call ui.region("name", "topic other") %}{% block region_name %}...{% endblock %}{% endcall %}`: the
script of the pages asks for those of which a topic has changed, all at once and without the rest of the page,
with the header `Amp-Region: name other`; the answer is a JSON object of HTML by name.
"""

from typing import Any, ClassVar, NamedTuple, cast

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Controller, Response
from markupsafe import Markup

from amp.dashboard import assets, words
from amp.dashboard.visitors import CSRF_FIELD, THEME_COOKIE, VISITOR, Visitor
from amp.errors import NotFound
from amp.http.requests import ApiRequest

REGION = "amp-region"
THEMES = ("auto", "light", "dark")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # no-referrer would take the Origin from our own forms
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Cookie, Amp-Region",
}


class Tab(NamedTuple):
    """A page's place in the navigation."""

    name: str
    path: str


class Page(Controller):
    """A page of the dashboard, or several below one path; only for who is signed in."""

    include_in_schema = False
    tab: ClassVar[Tab]


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("amp.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(words.FILTERS)
    return made


_TEMPLATES = _environment()
_GLOBALS: dict[str, Any] = cast("Any", _TEMPLATES.globals)  # typed by jinja as what is there by default
_GLOBALS.update(asset=assets.url, tabs=[])
_GLOBALS["ui"] = _TEMPLATES.get_template("ui.html").module


def templates() -> list[str]:
    """The names of all of them."""
    return _TEMPLATES.list_templates()


def compiled(name: str) -> None:
    """The template is made ready, which takes longer than drawing it."""
    _TEMPLATES.get_template(name)


def navigate(pages: tuple[type[Page], ...]) -> None:
    """From now on the navigation leads to these pages, in this order."""
    _GLOBALS["tabs"] = [page.tab for page in pages]


def page(request: ApiRequest, template: str, *, status: int = 200, **shown: Any) -> Response[bytes]:
    """The page, or the regions of it that were asked for.

    Raises:
        NotFound: the page has no such region.
    """
    drawn = _TEMPLATES.get_template(template)
    context = drawn.new_context(_of_every_page(request) | shown)
    asked = request.headers.get(REGION)
    if asked is None or status != 200:
        return html("".join(drawn.root_render_func(context)), status)
    blocks = {name: drawn.blocks.get(f"region_{name}") for name in asked.split()}
    if not blocks or None in blocks.values():
        raise NotFound("This page has no such region.")
    parts = {name: "".join(block(context)) for name, block in blocks.items() if block}
    return Response(msgspec.json.encode(parts), media_type="application/json", headers=HEADERS)


def html(text: str, status: int = 200) -> Response[bytes]:
    """An answer with the headers that every page has."""
    return Response(text.encode(), status_code=status, media_type="text/html", headers=HEADERS)


def see_other(path: str) -> Response[bytes]:
    """Go there and look: after a form, or to sign in."""
    return Response(b"", status_code=303, headers=HEADERS | {"Location": path})


def path_of(request: ApiRequest) -> str:
    """The page's own path with its query, to come back to."""
    query = request.scope["query_string"].decode("ascii", "replace")
    return request.scope["path"] + (f"?{query}" if query else "")


def _of_every_page(request: ApiRequest) -> dict[str, Any]:
    visitor: Visitor | None = request.scope["state"].get(VISITOR)
    theme = request.cookies.get(THEME_COOKIE, THEMES[0])
    field = Markup('<input type="hidden" name="{}" value="{}">')
    return {
        "visitor": visitor,
        "theme": theme if theme in THEMES else THEMES[0],
        "themes": THEMES,
        "here": path_of(request),
        "path": request.scope["path"],
        "csrf_field": field.format(CSRF_FIELD, visitor.csrf) if visitor else "",
    }
