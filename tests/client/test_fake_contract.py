"""The fake server before the contract tests of the real one: what they ask of the service, they ask of it."""

import copy
import importlib
import sys
import time
from pathlib import Path

import httpx
import pytest

from amp.client.testing import FakeAmp

HTTP = Path(__file__).parents[1] / "http"
MODULES = ("test_context_call", "test_outcome_call", "test_profile_call", "test_bad_bodies", "test_refusals")
NOT_OURS = {
    "test_an_error_of_ours_is_told_without_its_reason": "it breaks the real service's own code",
    "TestOnARealStore": "it is about stores",
}


@pytest.fixture
def app(monkeypatch):
    """In the place of the service: `caller` speaks to it as to any transport."""
    monkeypatch.setattr(httpx, "ASGITransport", lambda fake: fake)
    return FakeAmp(clock=time.time)


@pytest.fixture
def key():
    async def make(*_scopes, **_owner):
        return "amp_sk_test_1"

    return make


@pytest.fixture
def serve(app):
    """The same data, served by other settings."""

    async def start(outcome_window_ms):
        other = FakeAmp(clock=time.time)
        other._people = copy.copy(app._people)
        other._people.window_s = outcome_window_ms / 1000
        return other

    return start


@pytest.fixture
def store():
    """What one contract test asks of the store: its time."""

    class Clock:
        async def ask(self, _):
            now_us = time.time_ns() // 1000
            return now_us // 1_000_000, now_us % 1_000_000

    return Clock()


def contract_tests():
    sys.path.append(str(HTTP))  # where the modules find what they import from each other
    for module in map(importlib.import_module, MODULES):
        for name, test in vars(module).items():
            if name.startswith(("test_", "Test")) and name not in NOT_OURS:
                yield name, test


TESTS = dict(contract_tests())
globals().update(TESTS)


def test_nearly_the_whole_contract_is_asked_of_the_fake():
    """Else a renamed module would leave it without a test."""
    assert len(TESTS) > 70
    assert all(any(name in vars(sys.modules[module]) for module in MODULES) for name in NOT_OURS)
