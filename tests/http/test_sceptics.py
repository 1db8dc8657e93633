"""A service whose operator doubts the model: `--policy beta`."""

import pytest

from amp import settings
from amp.exits import SettingsRefused


async def test_a_user_is_learned_from_its_own_outcomes_alone(serve, caller):
    client = await caller(on=await serve(policy="beta"))
    for number in range(100):
        context = (await client.context("ada")).json()
        good = context["suggestedFraming"] == "challenge"
        await client.outcome(context["requestId"], started=good, completed=good)
        if number == 0:
            assert context["metadata"]["userWeight"] == 0
            assert context["rationale"].startswith("Nobody else's outcomes count here")
    shown = [(await client.context("ada")).json()["suggestedFraming"] for _ in range(20)]
    assert shown.count("challenge") >= 8
    posterior = (await client.get("/v1/profile/ada/posterior")).json()
    framing = {each["option"]: each for each in posterior["dimensions"][0]["options"]}
    assert {each["populationMean"] for each in framing.values()} == {0.5}
    assert framing["challenge"]["probabilityBest"] > 0.6
    assert (await client.get("/v1/profile/ada")).json()["preferredFraming"] == "challenge"


def test_what_decides_is_a_setting(tmp_path):
    assert settings.load({}, folder=tmp_path).policy == "hierarchical"
    assert settings.load({"AMP_POLICY": "beta"}, folder=tmp_path).policy == "beta"
    with pytest.raises(SettingsRefused, match="AMP_POLICY: must be hierarchical or beta"):
        settings.load({"AMP_POLICY": "gut"}, folder=tmp_path)
