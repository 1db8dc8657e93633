"""The same facts on every real server there is: fakeredis is more forgiving than they are."""

import pytest
from test_forgetting import *  # noqa: F403  pytest collects what it finds here
from test_keyring import *  # noqa: F403  as above
from test_preferences import *  # noqa: F403  as above
from test_refit import *  # noqa: F403  as above
from test_reports import *  # noqa: F403  as above
from test_trimming import *  # noqa: F403  as above

pytestmark = pytest.mark.cluster


@pytest.fixture
def store(real_store):
    return real_store
