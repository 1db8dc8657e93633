"""A data folder of the test's own, and no settings of the developer's."""

import os

import pytest


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AMP_")]:
        monkeypatch.delenv(name)
