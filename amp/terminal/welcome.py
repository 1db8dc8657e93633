"""What `amp serve` shows when it answers requests."""

import shlex

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from amp.parse import without_password
from amp.settings import Settings
from amp.terminal import talk


def as_json(url: str, key: str | None) -> None:
    """`{"url": ..., "key": ...}`; the key is null unless this start made one."""
    talk.write_json({"url": url, "key": key})


def as_panel(settings: Settings, url: str, key: str | None) -> None:
    """The URL, and either the first key with a call to try or how to make a key."""
    console = Console(stderr=True)
    if key is None:
        place = (
            ["--redis", without_password(settings.redis)]
            if settings.redis
            else ["--data", str(settings.data)]
        )
        console.print(Panel(Text(f"amp answers at {url}"), expand=False))
        talk.say(f"Make a key with: {shlex.join(['amp', 'keys', 'create', *place])}")
        return
    words = Text(f"amp answers at {url}\n\nYour first key, for test data; it is not shown again:\n{key}")
    console.print(Panel(words, expand=False))
    talk.say(f"Try it:\n\n{_curl(url, key)}\n")


def _curl(url: str, key: str) -> str:
    return (
        f"curl -s {url}/v1/context \\\n"
        f"  -H 'Authorization: Bearer {key}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        """  -d '{"userId": "ada", "task": "Write the first test", "taskType": "coding"}'"""
    )
