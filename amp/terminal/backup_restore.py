"""`amp restore`: a backup becomes a data folder or fills an empty store; `--drill` tells whether it would."""

import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from amp.backup.restoring import Restored, Watches, restore
from amp.exits import CommandFailed
from amp.parse import without_password
from amp.settings import Settings
from amp.store.keeper import opened
from amp.terminal import drill as drilled
from amp.terminal import talk
from amp.terminal.backup_take import size_of, told
from amp.terminal.drill import Found
from amp.terminal.transfer import Advance, Stage, stages


def run(settings: Settings, name: str, *, force: bool, as_json: bool) -> None:
    """Restores, and says what is there now.

    Raises:
        CommandFailed: the file is damaged, its secret is another, or the target holds something.
        SettingsRefused: the data folder cannot be used.
        StoreUnavailable: the store does not answer.
    """
    began = time.perf_counter()
    restored = _restored(settings, Path(name), force=force)
    took_s = time.perf_counter() - began
    where = (
        ["--redis", without_password(settings.redis)] if settings.redis else ["--data", str(settings.data)]
    )
    if as_json:
        talk.write_json(
            {
                "target": where[1],
                "keys": restored.keys,
                "aside": str(restored.aside) if restored.aside else None,
                "filesUnknown": restored.unknown_files,
                "tookS": round(took_s, 3),
                "manifest": told(restored.manifest),
            }
        )
    else:
        talk.write(f"Restored {restored.keys:,} keys as of {restored.manifest.snapshot_at} to {where[1]}.")
    if restored.aside:
        talk.say(f"What was there lies in {restored.aside}.")
    talk.say(f"Took {took_s:,.1f} s. Next: amp ledger verify {' '.join(where)}; amp serve {' '.join(where)}")


def drill(settings: Settings, name: str, *, as_json: bool) -> None:
    """Restores into a temporary folder, reads what is there, and removes it.

    Raises:
        CommandFailed: the backup cannot be restored, or is not what its manifest says.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="amp-drill-") as folder:
        there = replace(settings, data=Path(folder) / "data", redis=None)
        restored = _restored(there, Path(name), force=False)
        with opened(there) as complete:
            found = drilled.look(complete, restored)
    (_as_json if as_json else _as_table)(found)
    if found.wrong:
        raise CommandFailed(f"{name} is not whole. {' '.join(found.wrong)} Keep it, and take another.")
    talk.say(f"{name} can be restored ({time.perf_counter() - began:,.1f} s). Nothing of the drill is left.")


def _restored(settings: Settings, file: Path, *, force: bool) -> Restored:
    aside = f"before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with stages() as stage:
        watches = _watches(stage, size_of(file), moving=settings.redis is not None)
        return restore(file, settings, force=force, aside=aside, watches=watches)


def _watches(stage: Stage, size: int, *, moving: bool) -> Watches:
    copying: list[Advance] = []

    def loading(keys: int) -> None:
        copying.append(stage("Copying keys" if moving else "Writing the log", keys))

    def copied(keys: int) -> None:
        for advance in copying:
            advance(keys)

    return Watches(stage("Checking the file", size), loading, copied)


def _as_table(found: Found) -> None:
    manifest, kept = found.manifest, found.kept
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", style="dim")
    table.add_column("manifest", justify="right")
    table.add_column("found", justify="right")
    table.add_column("")
    files = len(kept.files) - len(found.lacking)
    walked = found.ledger.walked.values()
    entries, heads = sum(each.entries for each in walked), sum(each.heads for each in walked)
    whole = not found.ledger.findings
    rows = [
        ("parts", len(manifest.parts), len(manifest.parts), "sizes and SHA-256 agree"),
        ("keys", manifest.keys, found.restored.keys, _over(found)),
        ("API keys", None, kept.api_keys, ""),
        ("users", None, kept.users, f"{found.read_users} of {len(kept.sample)} read have a posterior"),
        ("sessions", None, kept.sessions, ""),
        ("files", len(manifest.under("files/")), files, _files(found)),
        ("ledger entries", None, entries, "every chain holds" if whole else "not what was written"),
        ("chain heads", None, heads, "on file, and in their chains"),
    ]
    for name, expected, there, note in rows:
        shown = "-" if expected is None else f"{expected:,}"
        table.add_row(name, shown, f"{there:,}", Text(note, style="dim"))
    console = Console(highlight=False)
    console.print(Text(f"As of {manifest.snapshot_at}, {manifest.server}, amp {manifest.amp}"))
    console.print(table)


def _over(found: Found) -> str:
    told = found.manifest.keys
    gone = 0 if told is None else told - found.restored.keys
    return f"the time of {gone:,} is over" if gone > 0 else ""


def _files(found: Found) -> str:
    said = [f"{len(found.lacking):,} without bytes"] if found.lacking else []
    if found.restored.unknown_files:
        said.append(f"{found.restored.unknown_files:,} were deleted before the snapshot")
    return ", ".join(said)


def _as_json(found: Found) -> None:
    walked = found.ledger.walked.values()
    talk.write_json(
        {
            "whole": not found.wrong,
            "wrong": found.wrong,
            "found": {
                "keys": found.restored.keys,
                "keysExpiredAtMost": found.restored.expired,
                "apiKeys": found.kept.api_keys,
                "users": found.kept.users,
                "usersRead": found.read_users,
                "sessions": found.kept.sessions,
                "files": len(found.kept.files) - len(found.lacking),
                "filesWithoutBytes": len(found.lacking),
                "filesUnknown": found.restored.unknown_files,
                "ledgerEntries": sum(each.entries for each in walked),
                "ledgerHeads": sum(each.heads for each in walked),
            },
            "manifest": told(found.manifest),
        }
    )
