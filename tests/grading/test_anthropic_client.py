"""The vendor's client, unmodified and strict: every call that the contract names."""

import anthropic
import pytest
from session_clients import opened

BETA = ["managed-agents-2026-04-01"]
OUTCOME = {
    "type": "user.define_outcome",
    "description": "Write a haiku about rain",
    "rubric": {"type": "text", "content": "- it has three lines"},
}


def said(text):
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


async def all_of(pages):
    return [each async for each in pages]


async def test_a_session_is_made_read_changed_ended_and_forgotten(client, session, agent, environment):
    made = await session(title="First", metadata={"team": "red", "run": "1"})
    assert (made.type, made.status, made.title, made.outcome_evaluations) == ("session", "idle", "First", [])
    assert (made.agent.id, made.agent.version, made.agent.model.id) == (agent.id, 1, "script")
    assert made.environment_id == environment.id
    same = await client.beta.sessions.retrieve(made.id)
    assert same.model_copy(update={"stats": made.stats, "usage": made.usage}) == made
    changed = await client.beta.sessions.update(made.id, title="Second", metadata={"run": None, "x": "y"})
    assert (changed.title, changed.metadata) == ("Second", {"team": "red", "x": "y"})
    (event,) = await all_of(client.beta.sessions.events.list(made.id))
    assert (event.type, event.title, event.metadata) == (
        "session.updated",
        "Second",
        {"team": "red", "x": "y"},
    )
    ended = await client.beta.sessions.archive(made.id)
    assert (ended.status, ended.archived_at is not None) == ("terminated", True)
    assert (await client.beta.sessions.archive(made.id)).archived_at == ended.archived_at
    assert await all_of(client.beta.sessions.list()) == []
    assert [each.id async for each in client.beta.sessions.list(include_archived=True)] == [made.id]
    gone = await client.beta.sessions.delete(made.id)
    assert (gone.id, gone.type) == (made.id, "session_deleted")
    with pytest.raises(anthropic.NotFoundError) as refused:
        await client.beta.sessions.retrieve(made.id)
    assert refused.value.type == "not_found_error"
    assert refused.value.request_id


async def test_an_outcome_is_echoed_and_stands_in_the_session_at_once(client, session):
    made = await session()
    sent = await client.beta.sessions.events.send(made.id, events=[OUTCOME])
    (echo,) = sent.data
    assert (echo.type, echo.max_iterations, echo.rubric.content) == (
        "user.define_outcome",
        3,
        "- it has three lines",
    )
    assert echo.processed_at
    assert echo.outcome_id.startswith("outc_")
    now = await client.beta.sessions.retrieve(made.id)
    (record,) = now.outcome_evaluations
    assert now.status == "running"
    assert (record.outcome_id, record.result, record.iteration) == (echo.outcome_id, "pending", 0)
    assert (record.description, record.completed_at) == (OUTCOME["description"], None)
    listed = await all_of(client.beta.sessions.events.list(made.id))
    assert [event.type for event in listed] == ["user.define_outcome", "session.status_running"]
    assert listed[0] == echo


async def test_a_session_may_begin_with_events_and_is_running_then(client, session):
    made = await session(initial_events=[OUTCOME])
    assert (made.status, made.outcome_evaluations[0].result) == ("running", "pending")
    made = await session(initial_events=[said("hello")])
    assert made.status == "running"
    assert [e.type async for e in client.beta.sessions.events.list(made.id)][-1] == "user.message"


async def test_a_message_waits_and_comes_last_in_the_list(client, session):
    made = await session(initial_events=[OUTCOME])
    (echo,) = (await client.beta.sessions.events.send(made.id, events=[said("make it short")])).data
    assert (echo.type, echo.processed_at) == ("user.message", None)
    kinds = [event.type async for event in client.beta.sessions.events.list(made.id)]
    assert kinds == ["user.define_outcome", "session.status_running", "user.message"]
    turned = [event.type async for event in client.beta.sessions.events.list(made.id, order="desc")]
    assert turned == kinds[::-1]


async def test_an_interrupt_ends_the_outcome_and_the_session_can_be_deleted_then(client, session):
    made = await session(initial_events=[OUTCOME])
    for call in (client.beta.sessions.archive, client.beta.sessions.delete):
        with pytest.raises(anthropic.BadRequestError):
            await call(made.id)
    await client.beta.sessions.events.send(made.id, events=[{"type": "user.interrupt"}])
    now = await client.beta.sessions.retrieve(made.id)
    assert (now.status, now.outcome_evaluations[0].result) == ("idle", "interrupted")
    assert now.outcome_evaluations[0].completed_at
    await client.beta.sessions.delete(made.id)


async def test_a_second_outcome_is_refused_while_one_is_under_way(client, session):
    made = await session(initial_events=[OUTCOME])
    before = await all_of(client.beta.sessions.events.list(made.id))
    with pytest.raises(anthropic.BadRequestError) as refused:
        await client.beta.sessions.events.send(made.id, events=[said("and"), OUTCOME])
    assert refused.value.type == "invalid_request_error"
    assert await all_of(client.beta.sessions.events.list(made.id)) == before


async def test_events_are_found_by_type_by_time_and_page_by_page_from_both_ends(client, session):
    made = await session()
    for number in range(5):
        await client.beta.sessions.update(made.id, title=str(number))
    await client.beta.sessions.events.send(made.id, events=[OUTCOME, said("a"), said("b")])
    listed = await all_of(client.beta.sessions.events.list(made.id))
    kinds = ["session.updated"] * 5 + ["user.define_outcome"]
    assert [event.type for event in listed][:6] == kinds
    assert [event.type for event in listed if event.processed_at is None] == ["user.message"] * 2
    for order, whole in (("asc", listed), ("desc", listed[::-1])):
        for limit in (1, 2, 3, 100):
            assert await all_of(client.beta.sessions.events.list(made.id, order=order, limit=limit)) == whole
    only = client.beta.sessions.events.list(made.id, types=["user.define_outcome", "user.message"], limit=1)
    assert [event.type async for event in only] == ["user.define_outcome", "user.message", "user.message"]
    later = client.beta.sessions.events.list(made.id, created_at_gt=listed[2].processed_at)
    assert (await all_of(later))[0] == listed[3]
    until = client.beta.sessions.events.list(made.id, created_at_lte=listed[2].processed_at, limit=2)
    assert await all_of(until) == listed[:3]


async def test_sessions_are_listed_both_ways_and_by_what_they_are(client, session, agent):
    made = [await session(title=str(number)) for number in range(5)]
    newest = [each.id for each in reversed(made)]
    for limit in (1, 2, 3, 100):
        assert [each.id async for each in client.beta.sessions.list(limit=limit)] == newest
        assert [each.id async for each in client.beta.sessions.list(limit=limit, order="asc")] == newest[::-1]
    first = await client.beta.sessions.list(limit=2)
    second = await client.beta.sessions.list(limit=2, page=first.next_page)
    back = await client.beta.sessions.list(limit=2, page=second.prev_page)
    assert first.prev_page is None
    assert [each.id for each in back.data] == newest[:2]
    assert back.prev_page is None
    assert [
        each.id for each in (await client.beta.sessions.list(limit=2, page=back.next_page)).data
    ] == newest[2:4]
    await client.beta.sessions.events.send(made[1].id, events=[OUTCOME])
    assert [each.id async for each in client.beta.sessions.list(statuses=["running"])] == [made[1].id]
    assert len(await all_of(client.beta.sessions.list(statuses=["running", "idle"]))) == 5
    assert len(await all_of(client.beta.sessions.list(agent_id=agent.id, agent_version=1))) == 5
    assert await all_of(client.beta.sessions.list(agent_id=agent.id, agent_version=2)) == []
    assert await all_of(client.beta.sessions.list(agent_id="agent_x")) == []
    assert await all_of(client.beta.sessions.list(deployment_id="depl_x")) == []
    later = client.beta.sessions.list(created_at_gt=made[2].created_at)
    assert [each.id async for each in later] == newest[:2]
    with pytest.raises(anthropic.BadRequestError):
        await client.beta.sessions.list(page=first.next_page, order="asc")


async def test_agents_have_versions(client):
    made = await client.beta.agents.create(
        name="writer",
        model={"id": "openai:qwen3", "effort": "high"},
        system="Write well.",
        tools=[
            {
                "type": "agent_toolset_20260401",
                "configs": [{"type": "bash", "name": "bash", "enabled": False}],
            },
            {"type": "custom", "name": "look", "description": "Looks.", "input_schema": {"type": "object"}},
        ],
        metadata={"grader": "script"},
    )
    assert (made.version, made.model.effort.type, made.execution_identity.type) == (
        1,
        "high",
        "service_account",
    )
    assert made.tools[0].configs[0].enabled is False
    second = await client.beta.agents.update(made.id, system="Write briefly.", version=1)
    assert (second.version, second.system) == (2, "Write briefly.")
    same = await client.beta.agents.update(made.id, system="Write briefly.")
    assert same.version == 2
    with pytest.raises(anthropic.ConflictError):
        await client.beta.agents.update(made.id, name="other", version=1)
    assert (await client.beta.agents.retrieve(made.id)).version == 2
    assert (await client.beta.agents.retrieve(made.id, version=1)).system == "Write well."
    for limit in (1, 20):
        assert [v.version async for v in client.beta.agents.versions.list(made.id, limit=limit)] == [2, 1]
    assert [each.id async for each in client.beta.agents.list()] == [made.id]
    assert (await client.beta.agents.archive(made.id)).archived_at
    assert await all_of(client.beta.agents.list()) == []
    assert [each.id async for each in client.beta.agents.list(include_archived=True)] == [made.id]


async def test_a_session_keeps_the_agent_as_it_was(client, agent, environment):
    await client.beta.agents.update(agent.id, system="new")
    first = await client.beta.sessions.create(
        agent={"type": "agent", "id": agent.id, "version": 1}, environment_id=environment.id
    )
    assert (first.agent.version, first.agent.system) == (1, None)
    own = await client.beta.sessions.create(
        agent={"type": "agent_with_overrides", "id": agent.id, "model": "worker", "system": "mine"},
        environment_id=environment.id,
    )
    assert (own.agent.version, own.agent.system, own.agent.model.id) == (2, "mine", "worker")
    await client.beta.agents.archive(agent.id)
    with pytest.raises(anthropic.BadRequestError):
        await client.beta.sessions.create(agent=agent.id, environment_id=environment.id)
    assert (await client.beta.sessions.retrieve(first.id)).agent.version == 1


async def test_environments(client):
    made = await client.beta.environments.create(
        name="cloud", config={"type": "cloud", "packages": {"pip": ["numpy"]}}, metadata={"a": "b"}
    )
    assert (made.config.type, made.config.networking.type, made.config.packages.pip) == (
        "cloud",
        "unrestricted",
        ["numpy"],
    )
    limited = {"type": "limited", "allowed_hosts": ["x.test"]}
    changed = await client.beta.environments.update(
        made.id, name="other", config={"type": "cloud", "networking": limited}, metadata={"a": None}
    )
    assert (changed.name, changed.config.networking.allowed_hosts, changed.config.packages.pip) == (
        "other",
        ["x.test"],
        ["numpy"],
    )
    assert changed.metadata == {}
    assert (await client.beta.environments.retrieve(made.id)) == changed
    own = await client.beta.environments.create(name="own", config={"type": "self_hosted"})
    assert [each.id async for each in client.beta.environments.list(limit=1)] == [own.id, made.id]
    assert (await client.beta.environments.archive(own.id)).archived_at
    assert [each.id async for each in client.beta.environments.list()] == [made.id]
    assert (await client.beta.environments.delete(own.id)).type == "environment_deleted"
    with pytest.raises(anthropic.NotFoundError):
        await client.beta.environments.retrieve(own.id)


async def test_files_are_uploaded_listed_downloaded_and_forgotten(client):
    made = await client.beta.files.upload(file=("räum.md", b"- one\n- two\n", "text/markdown"))
    assert (made.type, made.filename, made.mime_type, made.size_bytes) == (
        "file",
        "räum.md",
        "text/markdown",
        12,
    )
    plain = await client.files.upload(file=("b.bin", b"\x00\x01"), expires_in_seconds=3600)
    assert plain.expires_at
    assert [each.id async for each in client.beta.files.list(limit=1)] == [plain.id, made.id]
    assert [each.id async for each in client.files.list(ids=[made.id, "file_x"])] == [made.id]
    assert await all_of(client.beta.files.list(scope_id="sesn_x", betas=BETA)) == []
    assert (await client.beta.files.retrieve_metadata(made.id)).filename == "räum.md"
    assert (await client.files.retrieve_metadata(made.id)).size_bytes == 12
    assert await (await client.beta.files.download(made.id)).read() == b"- one\n- two\n"
    assert await (await client.files.download(plain.id)).read() == b"\x00\x01"
    assert (await client.beta.files.delete(made.id)).type == "file_deleted"
    assert (await client.files.delete(plain.id)).type == "file_deleted"
    for call in (client.beta.files.retrieve_metadata, client.beta.files.download, client.beta.files.delete):
        with pytest.raises(anthropic.NotFoundError):
            await call(made.id)


async def test_a_rubric_that_is_a_file_is_read_when_the_outcome_is_defined(client, session):
    rubric = await client.beta.files.upload(file=("r.md", b"- it rhymes"))
    made = await session()
    by_file = {**OUTCOME, "rubric": {"type": "file", "file_id": rubric.id}}
    (echo,) = (await client.beta.sessions.events.send(made.id, events=[by_file])).data
    assert (echo.rubric.type, echo.rubric.content) == ("text", "- it rhymes")
    await client.beta.files.delete(rubric.id)
    (event, *_) = await all_of(client.beta.sessions.events.list(made.id))
    assert event.rubric.content == "- it rhymes"


async def test_an_uploaded_file_can_be_mounted(client, session):
    table = await client.beta.files.upload(file=("t.csv", b"a,b"))
    made = await session(resources=[{"type": "file", "file_id": table.id, "mount_path": "/data/t.csv"}])
    (mounted,) = made.resources
    assert (mounted.file_id, mounted.mount_path) == (table.id, "/data/t.csv")
    with pytest.raises(anthropic.BadRequestError):
        await session(resources=[{"type": "file", "file_id": "file_x"}])


async def test_the_key_goes_as_bearer_or_as_x_api_key(client, wire, key):
    made = await key("sessions")
    async with opened(wire, made) as other:
        assert await all_of(other.beta.agents.list()) == []
    headers = {"X-Api-Key": made, "Authorization": anthropic.omit}
    assert await all_of(client.beta.agents.list(extra_headers=headers)) == []
    with pytest.raises(anthropic.AuthenticationError) as refused:
        async with opened(wire, "amp_sk_test_x") as nobody:
            await nobody.beta.agents.list()
    assert refused.value.type == "authentication_error"


async def test_another_tenant_s_things_do_not_exist(  # noqa: PLR0917  a thing of each kind
    client, session, wire, key, agent, environment
):
    made = await session()
    file = await client.beta.files.upload(file=("t.csv", b"a,b"))
    async with opened(wire, await key("sessions", tenant="other")) as other:
        beta = other.beta
        for call in (
            lambda: beta.sessions.retrieve(made.id),
            lambda: beta.sessions.events.send(made.id, events=[OUTCOME]),
            lambda: beta.sessions.events.list(made.id),
            lambda: beta.sessions.events.stream(made.id),
            lambda: beta.sessions.delete(made.id),
            lambda: beta.agents.retrieve(agent.id),
            lambda: beta.environments.retrieve(environment.id),
            lambda: beta.files.download(file.id),
            lambda: beta.sessions.create(agent=agent.id, environment_id=environment.id),
        ):
            with pytest.raises(anthropic.NotFoundError):
                await call()
        assert await all_of(beta.sessions.list()) == []
        assert await all_of(beta.files.list()) == []
