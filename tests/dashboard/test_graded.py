"""Graded sessions: pages say what the API says, whoever wrote it; live, and in the right hands."""

import asyncio
import json
import re

import pytest
import pytest_asyncio
from site_of import csrf_in

from amp.dashboard.graded import RESULT_WORDS
from amp.grading import loop
from amp.grading.files import Upload
from amp.settings import Settings
from amp.tenancy import tenant

EVIL = '"><img src=x onerror=alert(1)><a href="https://evil.example/">click</a>'
RUBRIC = "# Report\n- Has a title\n- Has a sum\n- Names its sources"
SCOPES = ("sessions", "read")


@pytest_asyncio.fixture(loop_scope="session")
async def api(site):
    return await site.api(*SCOPES)


@pytest_asyncio.fixture(loop_scope="session")
async def loops(site):
    """The loop of `amp serve`, with scripts allowed, in this process."""
    settings = Settings(data=site.house.settings.data, grading_scripts=1)
    async with loop.client(settings) as http:
        running = asyncio.ensure_future(loop.runner(settings, site.store, http).run())
        yield
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest_asyncio.fixture(loop_scope="session")
async def begun(site, api):
    """Begins sessions: `await begun({"v": ["satisfied"]}, description="...")`; their ids."""
    agent = (await api.post("/v1/agents", json={"name": "writer", "model": "script"})).json()
    place = (
        await api.post("/v1/environments", json={"name": "here", "config": {"type": "self_hosted"}})
    ).json()

    async def begin(*plan, title=None, description="Write the report of October", rubric=RUBRIC, rounds=3):
        outcome = {
            "type": "user.define_outcome",
            "description": description,
            "rubric": {"type": "text", "content": rubric},
            "max_iterations": rounds,
        }
        asked = {
            "agent": agent["id"],
            "environment_id": place["id"],
            "title": title,
            "metadata": {"outcome_script": json.dumps(plan)} if plan else {},
            "initial_events": [outcome] if plan else [],
        }
        answer = await api.post("/v1/sessions", json=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    return begin


async def ended(api, name, *, rest="idle"):
    """The session as the insights tell it, once it is at rest."""
    for _ in range(400):
        told = (await api.get(f"/v1/insights/sessions/{name}")).json()
        if told["session"]["status"] == rest:
            return told
        await asyncio.sleep(0.02)
    pytest.fail(f"{name} is not at rest: {told['session']}")


def quick(*verdicts, **more):
    return {"v": list(verdicts), "a": 0.01, "g": 0.01, **more}


def plain(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


class TestTheNumbers:
    @pytest.mark.usefixtures("loops")
    async def test_a_session_is_told_with_every_grading(self, site, api, begun):
        name = await begun(quick("needs_revision", "satisfied", files={"report.md": "# R"}), title="October")
        told = await ended(api, name)
        (outcome,) = told["outcomes"]
        assert [each["result"] for each in outcome["evaluations"]] == ["needs_revision", "satisfied"]
        assert [[mark["passed"] for mark in each["marks"]] for each in outcome["evaluations"]] == [
            [False] * 3,
            [True] * 3,
        ]
        assert outcome["rubric"] == RUBRIC
        assert [each["name"] for each in outcome["criteria"]] == [
            "Has a title",
            "Has a sum",
            "Names its sources",
        ]
        assert (told["session"]["criteriaMet"], told["session"]["criteria"]) == (3, 3)
        assert (told["session"]["iterations"], told["session"]["maxIterations"]) == (2, 3)
        (file,) = told["files"]
        stock = (await api.get(f"/v1/files/{file['id']}")).json()
        assert (file["filename"], file["sizeBytes"]) == (stock["filename"], stock["size_bytes"])

        client = await site.signed_in(*SCOPES)
        page = (await client.get(f"/graded/{name}")).text
        text = plain(page)
        assert "Outcome Satisfied iteration 2 of 3" in text
        assert "Criteria 3 of 3" in text
        assert page.count('class="cell good"') == 3
        assert page.count('class="cell bad"') == 3
        for evaluation in outcome["evaluations"]:
            assert plain(evaluation["explanation"]) in text
            for mark in evaluation["marks"]:
                assert mark["gap"] in text
        listed = plain((await client.get("/graded")).text)
        assert "October writer, script At rest ✓ Satisfied 2 of 3 3 of 3 0" in listed

    @pytest.mark.usefixtures("loops")
    async def test_lists_hold_what_they_are_asked_for_page_by_page(self, site, api, begun):
        made = [await begun(quick("satisfied")) for _ in range(3)]
        made += [await begun(quick("failed")), await begun()]
        for each in made:
            await ended(api, each)
        counts = (await api.get("/v1/insights/sessions")).json()["counts"]
        assert counts["all"] == 5
        assert {name: count for name, count in counts["statuses"].items() if count} == {"idle": 5}
        assert {name: count for name, count in counts["results"].items() if count} == {
            "satisfied": 3,
            "failed": 1,
        }
        asked, seen = {"result": "satisfied", "limit": 2}, []
        first = (await api.get("/v1/insights/sessions", params=asked)).json()
        second = (await api.get("/v1/insights/sessions", params=asked | {"page": first["nextPage"]})).json()
        for each in (first, second):
            seen += [row["id"] for row in each["sessions"]]
        assert seen == made[:3][::-1]
        assert second["nextPage"] is None
        back = await api.get("/v1/insights/sessions", params=asked | {"page": second["previousPage"]})
        assert [row["id"] for row in back.json()["sessions"]] == seen[:2]
        client = await site.signed_in(*SCOPES)
        page = (await client.get("/graded?result=failed")).text
        assert made[3] in page
        assert not any(each in page for each in (*made[:3], made[4]))
        assert (await api.post(f"/v1/sessions/{made[4]}/archive")).status_code == 200
        assert (await api.delete(f"/v1/sessions/{made[3]}")).status_code == 200
        counts = (await api.get("/v1/insights/sessions")).json()["counts"]
        assert (counts["all"], counts["statuses"]["terminated"], counts["results"]["failed"]) == (4, 1, 0)

    async def test_only_one_list_may_be_asked_for_and_only_one_there_is(self, site, api):
        for asked in ("status=idle&result=failed", "status=lazy", "page=nonsense", "limit=0"):
            assert (await api.get(f"/v1/insights/sessions?{asked}")).status_code == 400, asked
        client = await site.signed_in(*SCOPES)
        assert (await client.get("/graded?status=lazy")).status_code == 400


class TestWhoeverWroteIt:
    @pytest.mark.usefixtures("loops")
    async def test_what_a_candidate_wrote_is_text_and_never_markup(self, site, api, begun):
        name = await begun(
            quick("needs_revision", files={"report.html": "x"}),
            title=EVIL,
            description=EVIL,
            rubric=EVIL,
            rounds=1,
        )
        await ended(api, name)
        sent = {"events": [{"type": "user.message", "content": [{"type": "text", "text": EVIL}]}]}
        assert (await api.post(f"/v1/sessions/{name}/events", json=sent)).status_code == 200
        client = await site.signed_in(*SCOPES)
        for path in ("/graded", f"/graded/{name}"):
            page = (await client.get(path)).text
            assert "&lt;img src=x" in page
            assert "<img" not in page
            assert "evil.example" in page
            assert 'href="https://evil' not in page

    async def test_a_file_is_saved_and_never_shown(self, site, begun):
        name, other = await begun(), await begun()
        upload = Upload(
            'a"b/évil\n.html'.replace("\n", ""), b"<script>alert(1)</script>", "text/html", session=name
        )
        acme = tenant("acme", "live")
        file = (await site.house.desk.files.put(acme, upload))["id"]
        client = await site.signed_in(*SCOPES)
        answer = await client.get(f"/graded/{name}/files/{file}")
        assert answer.content == b"<script>alert(1)</script>"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%A9vil.html"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert (await client.get(f"/graded/{other}/files/{file}")).status_code == 404

    async def test_another_tenants_session_does_not_exist(self, site, begun):
        name = await begun()
        file = (await site.house.desk.files.put(tenant("acme", "live"), Upload("f", b"x", session=name)))[
            "id"
        ]
        for owner in ({"tenant": "other"}, {"env": "test"}):
            client = await site.signed_in(*SCOPES, **owner)
            missing = await client.get("/graded/sesn_none")
            found = await client.get(f"/graded/{name}")
            assert (found.status_code, missing.status_code) == (404, 404)
            assert name not in (await client.get("/graded")).text
            assert (await client.get(f"/graded/{name}/files/{file}")).status_code == 404
            csrf = csrf_in((await client.get("/")).text)
            for verb in ("interrupt", "archive"):
                answer = await client.post(f"/graded/{name}/{verb}", data={"csrf": csrf})
                assert answer.status_code == 404
            api = await site.api(*SCOPES, **owner)
            assert (await api.get(f"/v1/insights/sessions/{name}")).status_code == 404
            assert (await api.get("/v1/insights/sessions")).json()["counts"]["all"] == 0


class TestTheButtons:
    async def test_interrupt_and_archive_need_a_scope_and_the_sessions_token(self, site, api, begun):
        name = await begun(quick("satisfied"))  # nobody runs it
        reader = await site.signed_in("read")
        page = (await reader.get(f"/graded/{name}")).text
        assert "/interrupt" not in page
        assert "scope <code>sessions</code>" in page
        answer = await reader.post(f"/graded/{name}/archive", data={"csrf": csrf_in(page)})
        assert answer.status_code == 403
        client = await site.signed_in(*SCOPES)
        page = (await client.get(f"/graded/{name}")).text
        assert (await client.post(f"/graded/{name}/interrupt")).status_code == 403
        answer = await client.post(f"/graded/{name}/interrupt", data={"csrf": csrf_in(page)})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/graded/{name}")
        events = (await api.get(f"/v1/sessions/{name}/events")).json()["data"]
        assert "user.interrupt" in [each["type"] for each in events]

    @pytest.mark.usefixtures("loops")
    async def test_archive_ends_a_session_at_rest(self, site, api, begun):
        name = await begun(quick("satisfied"))
        await ended(api, name)
        client = await site.signed_in(*SCOPES)
        csrf = csrf_in((await client.get(f"/graded/{name}")).text)
        assert (await client.post(f"/graded/{name}/archive", data={"csrf": csrf})).status_code == 303
        assert (await api.get(f"/v1/sessions/{name}")).json()["archived_at"]
        assert "it stays readable" in (await client.get(f"/graded/{name}")).text


class TestInTheBrowser:
    @pytest.mark.usefixtures("loops")
    async def test_a_session_is_followed_while_it_is_graded(self, site, api, begun, visit, inspected):
        """The browser shows the second iteration without a reload; then every look of both pages."""
        slow = {"v": ["needs_revision", "needs_revision", "satisfied"], "a": 0.5, "g": 0.5, "h": 0.2}
        report = "# October\n\n| day | sum |\n"
        name = await begun(
            slow | {"files": {"report.md": report, "data/days.csv": "day,sum\n1,2\n"}},
            title="The report of October, with a title that takes more than a line on a phone",
            rubric=RUBRIC + "\n- The file report.md is there `check: file_exists report.md`",
        )
        await begun(quick("failed"), title="Sort the invoices of the third quarter")
        await begun(quick("error"), title="Translate the manual")
        page = await visit(f"/graded/{name}")
        await page.evaluate("window.stayed = true")
        await page.locator("#outcomes .cell.quiet").first.wait_for()
        assert await page.get_by_role("button", name="Interrupt").count() == 1
        await page.locator("#outcomes .cell.bad").first.wait_for()
        await page.locator("#standing", has_text=RESULT_WORDS["satisfied"]).wait_for(timeout=15_000)
        await page.get_by_role("button", name="Archive").wait_for()
        assert await page.evaluate("window.stayed")
        told = await ended(api, name)
        graded = told["outcomes"][0]["evaluations"]
        met = sum(mark["passed"] for each in graded for mark in each["marks"])
        assert await page.locator("#outcomes .cell.good").count() == met == 6
        assert await page.locator("#files tbody tr").count() == 2
        await inspected(page, "graded-session")
        for summary in await page.locator("summary").all():
            await summary.click()
        await inspected(page, "graded-session-open")
        async with page.expect_download() as saving:
            await page.get_by_role("link", name="Save report.md").click()
        saved = await saving.value
        assert saved.suggested_filename == "report.md"
        await page.goto(f"{site.url}/graded")
        await page.get_by_role("link", name="Failed 2").wait_for()
        await inspected(page, "graded")

    async def test_with_nothing_in_it_and_without_javascript(self, begun, visit, inspected):
        await inspected(await visit("/graded"), "graded-empty")
        name = await begun()
        await inspected(await visit(f"/graded/{name}"), "graded-session-empty")
        page = await visit(f"/graded/{name}", script=False)
        await page.get_by_role("button", name="Archive").click()
        await page.get_by_text("it stays readable").wait_for()
