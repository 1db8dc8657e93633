"""What the crowd prefers: the API's numbers, a context chosen by a plain form, and how it came to be."""

import re

import crowd_of
import pytest_asyncio

from amp.dashboard import words


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site):
    return await open_site(control_share=0.3)


@pytest_asyncio.fixture(loop_scope="session")
async def api(site):
    return await site.api()


@pytest_asyncio.fixture(loop_scope="session")
async def taught(site, api):
    """A crowd that two fits have learned from, with an option that was paused since."""
    await crowd_of.lived(site, api)
    await crowd_of.fitted(site)
    await crowd_of.lived(site, api, seed=2)
    await crowd_of.fitted(site)
    dimensions = (await api.get("/v1/policy")).json()["dimensions"]
    dimensions[2]["options"][3]["state"] = "paused"
    assert (await api.put("/v1/policy", json={"dimensions": dimensions})).status_code == 200
    return site


def plain(page):
    """The words of a page, without its markup; any space is a space."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


async def shown(site, path="/approaches", **owner):
    answer = await (await site.signed_in(**owner)).get(path)
    assert answer.status_code == 200, answer.text
    return plain(answer.text)


async def test_a_new_tenant_sees_that_nothing_leads_and_what_to_do(site):
    text = await shown(site)
    assert "Nobody has taught it yet" in text
    assert text.count("No option leads.") == 4
    assert "amp refit" in text
    assert "The default in each context" not in text


async def test_its_numbers_are_those_of_the_api_in_every_context_and_nobody_elses(taught, api):
    for context, path in (
        ({}, "/approaches"),
        ({"taskType": "coding", "complexity": "high"}, "/approaches?task=coding&complexity=high"),
    ):
        text = await shown(taught, path)
        now = (await api.get("/v1/insights/approaches", params=context)).json()
        fitted = f"fitted to {now['outcomes']} outcomes of {now['users']} users"
        assert f"Prior {now['priorVersion']}, {fitted}" in text
        for dimension in now["dimensions"]:
            learned, control = (
                sum(option[group]["decided"] for option in dimension["options"])
                for group in ("learned", "control")
            )
            assert f"After {dimension['strength']:.0f} outcomes of their own" in text
            for option in dimension["options"]:
                if option["offered"]:
                    told = [words.reward(option[name]) for name in ("expectedReward", "low", "high")]
                    assert f"{option['option']} {told[0]} ({told[1]} to {told[2]})" in text
                share = [
                    words.percent(option[group]["decided"] / total, 0)
                    for group, total in (("learned", learned), ("control", control))
                ]
                name = option["option"] + ("" if option["offered"] else " paused")
                row = f"{name} {share[0]} {share[1]} {words.reward(option['meanReward'])} "
                assert plain(row) in text
        for each in now["contexts"]:
            for default in each["dimensions"]:
                told = f"{default['option']} {words.percent(default['probabilityBest'], 0)}"
                assert plain(told) in text
    assert "Paused or retired: high_level." in text

    answer = await (await taught.signed_in()).get("/approaches?task=%22%3E%3Cimg%20src=x%3E")
    assert "<img" not in answer.text
    assert "does not tell “&#34;&gt;&lt;img src=x&gt;” from other task types" in answer.text
    refusal = await (await taught.signed_in()).get("/approaches?complexity=vast")
    assert refusal.status_code == 400
    assert "complexity" in refusal.text
    others = await shown(taught, tenant="other")
    assert "Nobody has taught it yet" in others
    assert "debugging" not in others


async def test_a_context_is_chosen_in_the_browser_with_and_without_javascript(visit, inspected, taught):
    page = await visit("/approaches")
    for summary in (await page.locator("summary").all())[:1]:
        await summary.click()
    await inspected(page, "approaches")
    await page.get_by_label("Task type").select_option("coding")
    await page.get_by_role("button", name="Show").click()
    await page.wait_for_url("**/approaches?task=coding&complexity=")
    assert await page.get_by_label("Task type").input_value() == "coding"
    place = page.locator("#dimensions .zoomable").first
    await place.get_by_role("button", name="Zoom").click()
    await place.locator("canvas").wait_for()
    page = await visit("/approaches", script=False, on=taught)
    assert await page.locator("#dimensions svg.chart").count() == 8
    assert await page.locator("#chart-scores .line").count() == 2
    await page.get_by_role("link", name="debugging").click()
    await page.wait_for_url("**/approaches?task=debugging")
    await page.get_by_label("Complexity of the task").select_option("high")
    await page.get_by_role("button", name="Show").click()
    await page.wait_for_url("**/approaches?task=debugging&complexity=high")
