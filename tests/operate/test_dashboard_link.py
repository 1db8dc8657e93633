"""`amp dashboard link`: the way in without a key at hand."""

import json

import httpx
import pytest
from running import serving


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("served") / "data"


@pytest.fixture(scope="module")
def served(data):
    with serving(data) as (_, announced):
        yield announced["url"]


def sign_in(address):
    """What a browser does that was given the address; whether it is in, and what it sees."""
    with httpx.Client(follow_redirects=True) as browser:
        answer = browser.get(address, headers={"Sec-Fetch-Site": "none"})
        return answer.status_code, answer.text


def test_a_link_opens_the_dashboard_once(run, data, served):
    ended = run("dashboard", "link", "--data", data, "--url", served)
    address = ended.stdout.strip()
    assert address.startswith(f"{served}/sign-in/link/")
    status, page = sign_in(address)
    assert (status, "Is it working?" in page, "<strong>default</strong>" in page) == (200, True, True)
    status, page = sign_in(address)
    assert (status, "was used before" in page) == (401, True)


def test_it_opens_whose_data_it_is_told_to_or_what_a_key_opens(run, data, served):
    made = json.loads(
        run("keys", "create", "--data", data, "--tenant", "studio", "--scopes", "read", "--json").stdout
    )
    for arguments in (("--tenant", "studio", "--env", "live"), ("--key", made["id"])):
        ended = run("dashboard", "link", "--data", data, "--url", served, "--json", *arguments)
        assert "<strong>studio</strong>" in sign_in(json.loads(ended.stdout)["url"])[1]
    records = json.loads(run("keys", "list", "--data", data, "--json").stdout)
    (link,) = [each for each in records if each["tenant"] == "studio" and each["id"] != made["id"]]
    assert (link["scopes"], bool(link["expires"])) == (["read", "profile", "ledger", "sessions"], True)


def test_an_unknown_key_is_said_to_be_unknown(run, data, served):
    ended = run("dashboard", "link", "--data", data, "--key", "nobodys1")
    assert ended.exit_code != 0
    assert "nobodys1" in ended.stderr
