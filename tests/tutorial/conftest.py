"""The tutorial holds in memory and on every real server there is, with chance that repeats itself."""

from random import Random

import pytest

from amp.learning.service import Learning


@pytest.fixture
def store(any_store):
    return any_store


@pytest.fixture(autouse=True)
def _fixed_seed(monkeypatch):
    monkeypatch.setitem(Learning.__init__.__kwdefaults__, "random", Random(7).randbytes)
