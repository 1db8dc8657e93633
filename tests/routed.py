"""Services that share what Litestar makes of the routes: 0.2 s of CPU each time, and the same each time.

Rooms, stores, keys and everything else of a service are its own. Only its routes and their handlers are those
of a service that an earlier test is done with; what they reach is made to be the new service's.
"""

from collections import defaultdict
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from litestar import Litestar, Router
from litestar.handlers import BaseRouteHandler

from amp import app

_idle = defaultdict(list)
"""By what is built upon the rooms: the routes that nobody uses now."""

# What lives as long as a worker is frozen once it serves. Here services come and go in one process: frozen,
# none of them would ever be freed, and each start would walk all that the tests themselves hold.
app.gc = SimpleNamespace(collect=lambda: None, freeze=lambda: None, set_threshold=lambda *_: None)


@contextmanager
def services():
    """Makes services like `amp.app.create`; where this ends their routes are free for the next ones."""
    lent = []

    def create(settings, store, *build):
        def litestar(routes, **options):
            idle = _idle[build]
            routed = idle.pop() if idle else _Routed(routes, options)
            routed.serve(routes, options)
            lent.append((build, routed))
            return routed.app

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(app, "Litestar", litestar)
            return app.create(settings, store, *build)

    yield create
    for build, routed in lent:
        _idle[build].append(routed)


class _Routed:
    """An app of Litestar, and the functions through which its routes reach a service."""

    def __init__(self, routes, options):
        self._reaching = _reaching(routes, options)
        self.app = Litestar(routes, **options)

    def serve(self, routes, options):
        """From here on the routes are those of the service that these were made for."""
        self.app._lifespan_managers[:] = options["lifespan"]
        for mine, theirs in zip(self._reaching, _reaching(routes, options), strict=True):
            assert mine.__code__ is theirs.__code__, f"{mine} cannot stand for {theirs}"
            for cell, wanted in zip(mine.__closure__ or (), theirs.__closure__ or (), strict=True):
                cell.cell_contents = wanted.cell_contents


def _reaching(routes, options):
    """The functions of a service's own: what provides, what guards, what answers."""
    handlers = [each.fn for each in routes if isinstance(each, BaseRouteHandler)]
    guards = [guard for each in routes if isinstance(each, Router) for guard in each.guards or ()]
    provided = [each.dependency for each in options["dependencies"].values()]
    return [*handlers, *guards, *options["guards"], *provided]
