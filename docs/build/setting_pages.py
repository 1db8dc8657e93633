"""The page of all settings, from `amp.settings`."""

from amp import settings

_BEFORE = """\
# Settings

A flag of `amp serve` beats an `AMP_*` variable, which beats `amp.toml` in the working directory (names without the prefix,
in lower case). A variable that is set to nothing is not set. An unknown name is refused, with the nearest known one:

<!-- fails: a name that does not exist is refused -->
```bash
AMP_WORKER=2 amp serve
```

<!-- output -->
```text
amp: AMP_WORKER is not a setting; did you mean AMP_WORKERS?
```

Durations are `90s`, `15m`, `24h`, `30d` or `500ms`; shares are numbers from 0 to 1. As a file:

<!-- file: amp.toml -->
```toml
port = 0
workers = 2
outcome_window = "48h"
rate_limit = 6000
```

"""


def page() -> str:
    """Every setting, with its default and its sentence."""
    lines = ["| setting | default | what it does |", "| --- | --- | --- |"]
    lines += [
        f'| <span id="{row.name.lower().replace("_", "-")}">`{row.name}`</span> | `{row.default}` | {row.doc} |'
        for row in settings.table()
    ]
    return _BEFORE + "\n".join(lines) + _AFTER


_AFTER = """

The Python client reads two of its own: `AMP_API_KEY` and `AMP_BASE_URL` (`http://127.0.0.1:8000`).

What belongs to a tenant and not to the service (dimensions, reward weights, outcome window, control share, floor, baseline,
mode) is its policy: see [Your own dimensions](../howto/dimensions.md).
"""
