"""The API's reference: OpenAPI and its page, served from here and from nowhere else."""

from importlib.resources import files
from pathlib import Path

from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.static_files import create_static_files_router  # pyright: ignore[reportUnknownVariableType]  litestar leaves its hooks' types open

from amp import __version__

_STATIC = "/schema/static"


def reference() -> OpenAPIConfig:
    """OpenAPI at /schema/openapi.json, its page at /schema."""
    return OpenAPIConfig(
        title="amp",
        version=__version__,
        summary="Learns, for every user, which way of helping works.",
        path="/schema",
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "key": SecurityScheme(type="http", scheme="bearer", description="An API key: amp_sk_...")
            }
        ),
        security=[{"key": []}],
        render_plugins=[
            SwaggerRenderPlugin(
                js_url=f"{_STATIC}/swagger-ui-bundle.js",
                css_url=f"{_STATIC}/swagger-ui.css",
                standalone_preset_js_url=f"{_STATIC}/swagger-ui-standalone-preset.js",
                favicon=f"<link rel='icon' type='image/png' href='{_STATIC}/favicon-32x32.png'>",
                path=["/", "/swagger"],
            ),
            JsonRenderPlugin(path="/openapi.json"),
        ],
    )


def static_files() -> Router:
    """The page's scripts and styles (swagger-ui-dist 5.35.0, Apache-2.0), vendored."""
    folder = Path(str(files("amp.http").joinpath("static")))
    return create_static_files_router(path=_STATIC, directories=[folder], include_in_schema=False)
