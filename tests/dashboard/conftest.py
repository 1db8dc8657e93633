"""The dashboard on a real store behind the protocol that serves it, and a browser to look at it.

`site` is the service with its dashboard; `site.signed_in()` is a client without a browser, `visit(path)` a
page in Chromium, signed in. `inspected(page, name)` holds a page against what every page has to keep.
One browser serves all tests of a process, so all of them run in one event loop.
"""

import inspect
import os
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright
from routed import services
from site_of import ARTEFACTS, FLAGS, Site, listening

from amp.dashboard.mount import dashboard
from amp.settings import Settings
from amp.store.connection import connect

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium")
AXE = (HERE / "axe.min.js").read_text(encoding="utf-8")
WIDTHS, THEMES = (1280, 375), ("light", "dark")
SECRET = "a secret of the tests, long enough for keys"


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session")
async def open_site(_servers, running, tmp_path):
    """Starts services with settings of the test's own: `await open_site(control_share=0.4)`."""
    url = _servers("valkey")  # what pages ask of a store is tested on every kind elsewhere
    async with AsyncExitStack() as open_:
        create = open_.enter_context(services())
        own = connect(url)
        open_.push_async_callback(own.close)
        await own.ask_all([("FLUSHALL",), ("FUNCTION", "FLUSH")])

        async def start(**settings):
            data = {"secret": SECRET, "data": tmp_path / "data", "redis": url}
            app = create(Settings(**(data | settings)), connect(url), dashboard)
            await open_.enter_async_context(running(app))
            site = Site(await open_.enter_async_context(listening(app)), app, own, SECRET)
            open_.push_async_callback(site.close)
            return site

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site):
    """The service with its dashboard, with the settings of a new user."""
    return await open_site()


@pytest.fixture(scope="session")
def chromium():
    """The path of the browser. Without one its tests are skipped, but not in CI."""
    if CHROMIUM is None:
        told = "no chromium on PATH: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    return CHROMIUM


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium):
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser, site):
    """Opens pages: `await visit("/", width=375, theme="dark", script=False, on=site, key=None)`.

    In the end no page may have complained in its console, nor asked another host for anything; `refusals` are
    the statuses that a test provokes.
    """
    complaints = []
    async with AsyncExitStack() as contexts:

        async def opened(
            path, *, on=site, key="", width=1280, theme="light", script=True, refusals=(), **owner
        ):
            context = await browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=theme,
                java_script_enabled=script,
                reduced_motion="reduce",
            )
            contexts.push_async_callback(context.close)
            if key is not None:
                await context.add_cookies([await on.cookie(key or await on.key(**owner))])
            page = await context.new_page()
            page.on("console", lambda said: _heard(said, refusals, complaints))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda asked: _at_home(asked.url, on.url, complaints))
            await page.goto(on.url + path)
            return page

        yield opened
    assert complaints == []


def _heard(said, refusals, complaints):
    provoked = any(f"status of {status}" in said.text for status in refusals)
    if said.type == "error" and not provoked:
        complaints.append(said.text)


def _at_home(url, home, complaints):
    if not url.startswith((home, "data:")):
        complaints.append(f"asked {url}")


@pytest.fixture(scope="session")
def inspected():
    """`await inspected(page, "overview")`: in light and dark, wide and narrow, axe finds nothing, the page
    does not scroll sideways, and how it looks is kept in test-artefacts/."""
    ARTEFACTS.mkdir(exist_ok=True)
    return _inspected


async def _inspected(page, name):
    await page.evaluate(AXE)
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            await page.emulate_media(color_scheme=theme)
            picture = ARTEFACTS / f"{name}-{width}-{theme}.png"
            await page.screenshot(path=picture, full_page=True)
            found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            told = [
                f"{width} {theme}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:3]]}"
                for each in found["violations"]
            ]
            assert told == []
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{name} scrolls sideways by {wide} px at {width}"
