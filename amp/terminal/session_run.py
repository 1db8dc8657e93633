"""The commands of sessions: list, show, follow, run."""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from amp.exits import CommandFailed
from amp.grading.inputs import DefineOutcome, TextRubric
from amp.grading.pages import LAST_US
from amp.grading.sending import Sending
from amp.grading.types import Event
from amp.grading.wire import AgentRequest, EnvironmentRequest, SelfHosted, SessionRequest
from amp.settings import Settings
from amp.tenancy import tenant
from amp.terminal import talk
from amp.terminal.session_desk import Desk, with_desk
from amp.terminal.session_view import View, about, criteria, listed

LISTED_MAX = 50


class Whose(NamedTuple):
    """Settings and owner of a command."""

    settings: Settings
    name: str
    env: str


class Order(NamedTuple):
    """What is to be run."""

    task: str
    rubric: str
    model: str
    grader: str | None
    iterations: int
    out: Path | None


def show_all(whose: Whose, *, as_json: bool) -> None:
    """The newest sessions."""

    async def read(desk: Desk) -> list[dict[str, Any]]:
        owner = desk.access.tenant
        keys = await desk.facts.made(owner, low_us=0, high_us=LAST_US, newest_first=True, count=LISTED_MAX)
        found = await desk.facts.load_all(owner, [name for _, name in keys[:LISTED_MAX]]) if keys else []
        return await desk.sessions.rendered(owner, [each for each in found if each])

    found = _desk(whose, read)
    if as_json:
        talk.write_json(found)
    elif found:
        Console(highlight=False).print(listed(found))
        talk.say("Next: amp sessions show SESSION, or amp sessions tail SESSION")
    else:
        talk.say("No sessions yet. Next: amp sessions run --rubric FILE --task TEXT --model openai:NAME")


def show(whose: Whose, name: str, *, as_json: bool) -> None:
    """One session: its outcomes and their criteria, and its deliverables."""

    async def read(desk: Desk) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        session = await desk.sessions.show(desk.access, name)
        return session, await desk.files.delivered(desk.access.tenant, name)

    session, files = _desk(whose, read)
    if as_json:
        talk.write_json({**session, "files": files})
        return
    console = Console(highlight=False)
    console.print(about(session))
    for record in session["outcome_evaluations"]:
        console.print(f"\n{record['outcome_id']}  {record['result']}, iteration {record['iteration'] + 1}")
        console.print(f"  {record['description'][:400]}", markup=False)
        console.print(criteria(record.get("criteria") or []))
    for each in files:
        console.print(f"  {each['filename']}  {each['size_bytes']:,} bytes  {each['id']}", markup=False)
    talk.say(f"Next: amp sessions tail {name}")


def tail(whose: Whose, name: str, *, as_json: bool, follow: bool) -> None:
    """A session's events as they come, until it is at rest (or for ever)."""

    async def watch(desk: Desk) -> None:
        await desk.sessions.show(desk.access, name)
        await _watched(desk, name, as_json=as_json, follow=follow)

    _desk(whose, watch)


def run(whose: Whose, order: Order, *, as_json: bool) -> None:
    """Makes an agent and a session for one outcome, runs it here, and shows its course.

    Raises:
        CommandFailed: the outcome was not met.
    """

    async def made(desk: Desk) -> tuple[str, str]:
        owner = desk.access.tenant
        environment = await desk.environments.create(
            owner, EnvironmentRequest(name="terminal", config=SelfHosted())
        )
        metadata = {"grader": order.grader} if order.grader else {}
        agent = await desk.agents.create(
            owner, AgentRequest(model=order.model, name="terminal", metadata=metadata)
        )
        begins = DefineOutcome(order.task, TextRubric(order.rubric), order.iterations)
        request = SessionRequest(
            agent["id"], environment["id"], title=order.task[:80], initial_events=[begins]
        )
        name = (await desk.sessions.create(desk.access, request, Sending(b"")))["id"]
        talk.say(f"Session {name}")
        running = asyncio.ensure_future(desk.runner.run_one(owner, name))
        try:
            await _watched(desk, name, as_json=as_json, follow=False)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if order.out:
            await _fetched(desk, name, order.out)
        return name, (await desk.sessions.show(desk.access, name))["outcome_evaluations"][-1]["result"]

    name, result = _desk(whose, made)
    if result != "satisfied":
        raise CommandFailed(f"The outcome ended as {result}. Look at it with: amp sessions show {name}")
    talk.say(f"Next: amp sessions show {name}")


async def _fetched(desk: Desk, name: str, folder: Path) -> None:
    """Brings the deliverables into a folder."""
    for each in await desk.files.delivered(desk.access.tenant, name):
        _, content = await desk.files.content(desk.access.tenant, each["id"])
        _put(folder, each["filename"], content)


def _put(folder: Path, name: str, content: bytes) -> None:
    """Writes one file; its name cannot lead out of the folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise CommandFailed(f"{name!r} leads out of {folder}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    talk.say(f"Wrote {path}")


async def _watched(desk: Desk, name: str, *, as_json: bool, follow: bool) -> None:
    console = Console(highlight=False)
    view = View(console)
    # on the console that is drawn on, if it is a terminal: two of them would write into each other's lines
    spins = console if console.is_terminal and not as_json else Console(stderr=True)
    with spins.status("Waiting") as status:
        async for event in desk.follow(name):
            if as_json:
                talk.write_json(event)
            else:
                view.draw(event)
                if told := view.doing(event):
                    status.update(told)
            if not follow and await _over(desk, name, event):
                return


async def _over(desk: Desk, name: str, event: Event) -> bool:
    """Whether the session is at rest, and this was its last event."""
    if event["type"] not in {"session.status_idle", "session.status_terminated", "session.deleted"}:
        return False
    session = await desk.facts.load(desk.access.tenant, name)
    last = await desk.facts.events_before(desk.access.tenant, name, count=1)
    return session.state.status in {"idle", "terminated"} and last[0].event["id"] == event["id"]


def _desk(whose: Whose, work: Any) -> Any:
    return with_desk(whose.settings, tenant(whose.name, whose.env), work)
