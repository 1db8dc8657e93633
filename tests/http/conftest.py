"""The service without its background fit."""

import pytest

from amp.learning import admin, selfplay


@pytest.fixture(autouse=True)
def _no_background_fit_to_wait_for(monkeypatch):
    """It runs in a process of its own; a test that has one waits as long as it likes."""
    monkeypatch.setattr(admin, "REFIT_WITHIN_S", 0.0)


@pytest.fixture(autouse=True)
def _games_of_a_few(monkeypatch):
    """Each fit plays for its temperature; that it finds the best is for test_selfplay.py."""
    monkeypatch.setattr(selfplay, "USERS", 16)
