"""However a process ends, what it had queued arrives: 2,000 reports, and an exit at most two seconds late."""

import signal

import pytest
from faults import COUNT, FaultServer, ended, free_port, started

EXIT_S = 2.0
SLACK_S = 1.5
"""For the interpreter's own end, on a machine that has other things to do."""


@pytest.fixture
def server():
    server = FaultServer()
    yield server
    server.end()


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "reports.spool"


def all_arrived(server):
    assert set(server.ids) == {f"req_{number}" for number in range(COUNT)}
    assert len(server.ids) == COUNT, "each once"


WAYS = {
    "return": "amp = AMP(); report(amp)",
    "sys.exit": "amp = AMP(); report(amp); sys.exit(3)",
    "exception": "amp = AMP(); report(amp); raise SystemError('of the host')",
    "end of asyncio.run": """
        async def main():
            amp = AsyncAMP()
            report(amp)
        asyncio.run(main())
        """,
    "fork before use": """
        amp = AMP()
        if os.fork() == 0:
            report(amp, 0, COUNT // 2)
            sys.exit(0)
        report(amp, COUNT // 2, COUNT // 2)
        os.wait()
        """,
    "fork after use": """
        amp = AMP()
        report(amp, 0, COUNT // 2)
        if os.fork() == 0:
            report(amp, COUNT // 2, COUNT // 2)
            counted = amp.counters
            assert SPOOL or counted.sent + counted.queued == COUNT // 2, counted
            sys.exit(0)
        os.wait()
        """,
    "fork of multiprocessing": """
        import multiprocessing
        amp = AMP()
        report(amp, 0, COUNT // 2)
        child = multiprocessing.get_context("fork").Process(target=report, args=(amp, COUNT // 2, COUNT // 2))
        child.start()
        child.join()
        """,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spooled", [False, True], ids=["memory", "spool"])
def test_nothing_is_lost_on_the_way_out(server, spool, way, spooled):
    """Return, exit, exception, the end of a loop, and forks before and after the first report."""
    script = WAYS[way].replace("AMP()", "AMP(spool=SPOOL)")
    _, err, late_s = ended(started(script, server.url, spool if spooled else None))
    assert server.until(COUNT, 0.0 if not spooled else 1.0)
    all_arrived(server)
    assert late_s < EXIT_S + SLACK_S
    assert "lost" not in err
    assert ("Traceback" in err) == (way == "exception"), err


@pytest.mark.parametrize("spooled", [False, True], ids=["memory", "spool"])
def test_sigterm_ends_the_process_as_ever_but_not_before_its_reports_have_left(server, spool, spooled):
    process = started(
        "amp = AMP(spool=SPOOL); report(amp); signal.pause()", server.url, spool if spooled else None
    )
    process.stdout.readline()
    process.terminate()
    ended(process)
    assert process.returncode == -signal.SIGTERM
    all_arrived(server)


def test_a_host_that_handles_sigterm_itself_keeps_its_handler(server):
    script = """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        amp = AMP(); report(amp); signal.pause()
        """
    process = started(script, server.url)
    process.stdout.readline()
    process.terminate()
    ended(process)
    assert process.returncode == 7
    all_arrived(server)


@pytest.mark.parametrize("way", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)"])
def test_what_a_killed_process_had_spooled_arrives_with_the_next_one(server, spool, way):
    """kill -9 and os._exit, the moment after the last report."""
    ended(started(f"amp = AMP(spool=SPOOL); report(amp); {way}", server.url, spool))
    _, err, _ = ended(started("amp = AMP(spool=SPOOL); assert amp.flush(10)", server.url, spool))
    assert err == ""
    assert set(server.ids) == {f"req_{number}" for number in range(COUNT)}


def test_a_server_that_takes_300_ms_an_answer_has_all_of_it_before_the_exit(server):
    server.delay_s = 0.3
    _, err, late_s = ended(started("amp = AMP(); report(amp)", server.url))
    all_arrived(server)
    assert late_s < EXIT_S + SLACK_S
    assert "lost" not in err


@pytest.mark.parametrize("spooled", [False, True], ids=["memory", "spool"])
def test_what_was_queued_while_the_server_was_down_arrives_when_it_is_back(spool, spooled):
    port = free_port()
    script = "amp = AMP(spool=SPOOL); report(amp); input()"
    process = started(script, f"http://127.0.0.1:{port}", spool if spooled else None)
    process.stdout.readline()
    server = FaultServer(port)
    _, err, _ = ended(process)
    server.end()
    assert set(server.ids) == {f"req_{number}" for number in range(COUNT)}
    assert "lost" not in err


@pytest.mark.parametrize("fault", ["hang", "down"])
def test_what_cannot_be_sent_in_time_stays_in_the_spool_or_else_is_counted_and_said(server, spool, fault):
    server.fault = lambda _: "hang"
    url = server.url if fault == "hang" else f"http://127.0.0.1:{free_port()}"
    _, err, late_s = ended(started("amp = AMP(); report(amp)", url))
    assert late_s < EXIT_S + SLACK_S
    assert "reports are lost" in err
    _, err, late_s = ended(started("amp = AMP(spool=SPOOL); report(amp)", url, spool))
    assert late_s < (EXIT_S + SLACK_S if fault == "hang" else SLACK_S), "a dead server is not waited for"
    assert err == ""
    server.fault = lambda _: None
    ended(started("amp = AMP(spool=SPOOL); assert amp.flush(10)", server.url, spool))
    assert set(server.ids) == {f"req_{number}" for number in range(COUNT)}
