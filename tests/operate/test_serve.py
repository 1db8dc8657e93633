"""`amp serve`: one process that keeps a store, workers and what runs beside them alive, and ends them all."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import httpx
from running import COMMAND, alive, children, environment, serving, until

from amp.store.connection import connect


def store_pid(data):
    return int((data / "store.lock").read_text())


def ask(announced, path="/v1/context", key=None):
    """The status of one call, or None while nobody answers."""
    headers = {"Authorization": f"Bearer {key or announced['key']}"}
    try:
        return httpx.post(
            announced["url"] + path, json={"userId": "ada", "task": "test"}, headers=headers, timeout=5
        )
    except httpx.TransportError:
        return None


def family_of(service):
    """The store, the workers and what runs beside them; not the helper that Python starts beside them."""
    return {pid for pid in children(service.pid) if b"resource_tracker" not in command_line(pid)}


def command_line(pid):
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def test_the_first_start_makes_a_key_and_keys_made_while_it_runs_count_at_once(data, run):
    with serving(data) as (service, first):
        assert first["url"].startswith("http://127.0.0.1:")
        assert ask(first).status_code == 200

        made = json.loads(run("keys", "create", "--json", "--data", data).stdout)
        assert ask(first, key=made["key"]).status_code == 200
        assert run("keys", "revoke", made["id"], "--data", data).exit_code == 0
        until(lambda: ask(first, key=made["key"]).status_code == 401, within_s=1.5)

        family = family_of(service)
        assert store_pid(data) in family
        service.terminate()
        assert service.wait(10) == 0
    assert not any(alive(pid) for pid in family)


def test_what_is_killed_comes_back_and_a_killed_service_leaves_nothing_behind_but_its_data(data):
    with serving(data, "--workers", "2") as (service, announced):
        before = family_of(service)
        assert len(before) == 7
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: (answer := ask(announced)) and answer.status_code == 200)
        until(lambda: len(family_of(service) - before) == len(before))
        assert service.poll() is None

        family = family_of(service)
        service.kill()
        service.wait()
        until(lambda: not any(alive(pid) for pid in family))
    with serving(data) as (_, again):
        assert again["key"] is None
        assert ask(again, key=announced["key"]).status_code == 200


def test_a_person_is_shown_a_call_to_paste_and_ctrl_c_ends_everything_without_a_traceback(data):
    command = [*COMMAND, "serve", "--port", "0", "--data", str(data)]
    service = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    said = ""
    for line in service.stderr:
        said += line
        if "-d '" in line:
            break
    pasted = said[said.index("curl") :]
    answer = subprocess.run(["/bin/sh", "-c", pasted], capture_output=True, text=True, timeout=10, check=True)
    assert "requestId" in json.loads(answer.stdout)
    assert len(set(re.findall(r"amp_sk_test_\w+", said))) == 1

    os.killpg(service.pid, signal.SIGINT)  # as the terminal does: every process in the foreground gets it
    out, err = service.communicate(timeout=15)
    assert service.returncode == 0
    assert out == ""
    assert "Traceback" not in said + err


def test_a_port_in_use_is_refused_with_the_fix_before_anything_is_started(data, run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("serve", "--port", taken.getsockname()[1], "--data", data)
    assert refused.exit_code == 1
    assert "in use. Choose another with --port" in refused.stderr
    assert not data.exists()


def test_processes_share_their_metrics_in_a_folder_that_goes_with_them_and_there_is_nothing_to_say(
    data, monkeypatch
):
    with tempfile.TemporaryDirectory() as temporary:  # short: a socket's path has at most 107 bytes
        monkeypatch.setenv("TMPDIR", temporary)
        with serving(data) as (service, announced):
            assert len(list(Path(temporary).glob("amp-metrics-*"))) == 1
            metrics = httpx.get(announced["url"] + "/metrics").text
            service.terminate()
            assert "Not ready" not in service.stderr.read()
        assert "amp_build_info" in metrics
        assert not list(Path(temporary).glob("amp-metrics-*"))


def test_a_store_that_may_lose_data_is_served_and_the_operator_told_what_to_mend(
    data, monkeypatch, own_server
):
    async def endanger(store):
        await store.ask("CONFIG", "SET", "appendonly", "no", "maxmemory-policy", "allkeys-lru")
        await store.close()

    url, _ = own_server
    asyncio.run(endanger(connect(url)))
    monkeypatch.setenv("AMP_SECRET", "x" * 32)
    with serving(data, "--redis", url) as (service, announced):
        assert httpx.get(announced["url"] + "/livez").status_code == 200
        said = [service.stderr.readline() for _ in range(2)]
    assert "eviction: allkeys-lru. CONFIG SET maxmemory-policy noeviction" in said[0]
    assert "persistence: no append-only file. CONFIG SET appendonly yes" in said[1]


def test_a_store_without_the_replicas_that_must_acknowledge_is_served_red_and_makes_no_key(data, monkeypatch):
    monkeypatch.setenv("AMP_ACK_REPLICAS", "1")
    with serving(data) as (service, announced):
        ready = httpx.get(announced["url"] + "/readyz")
        said = next(line for line in service.stderr if "Not ready" in line)
    assert announced["key"] is None
    assert ready.status_code == 503
    assert ready.json()["checks"][-1]["name"] == "replicas"
    assert "Not ready: replicas: 0 online, 1 must acknowledge. Connect 1 more" in said
    assert "or set AMP_ACK_REPLICAS=0" in said


def test_a_given_store_that_does_not_answer_ends_the_start_and_its_password_is_not_shown(
    data, run, monkeypatch
):
    monkeypatch.setenv("AMP_SECRET", "x" * 32)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    refused = run("serve", "--port", "0", "--data", data, "--redis", f"redis://:hidden@127.0.0.1:{port}/0")
    assert refused.exit_code == 3
    assert f"The store at redis://***@127.0.0.1:{port}/0 does not answer" in refused.stderr
    assert "correct AMP_REDIS" in refused.stderr
    assert "hidden" not in refused.stderr


def test_a_bad_flag_is_refused_before_anything_is_started(data, run):
    refused = run("serve", "--workers", "none", "--data", data)
    assert refused.exit_code == 4
    assert "--workers: must be a whole number" in refused.stderr
    assert not data.exists()
