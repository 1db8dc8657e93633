"""What the terminal shows of a session: in columns, whole, and nothing that a terminal obeys."""

import io

import pytest
from rich.console import Console

from amp.terminal.session_view import View, about, listed

EVIL = "Done.\x1b]0;owned\x07\x1b[2J\r[bold]not bold[/nothing]"


def message(text):
    return {"type": "agent.message", "id": "sevt_1", "content": [{"type": "text", "text": text}]}


def graded(**fields):
    mark = {
        "id": 1,
        "name": "It names " + "the total of all prices, " * 5,
        "passed": False,
        "gap": "No " * 60,
    }
    end = {
        "type": "span.outcome_evaluation_end",
        "iteration": 0,
        "result": "needs_revision",
        "explanation": "",
    }
    return end | {"criteria": [mark]} | fields


@pytest.fixture
def screen():
    """A terminal of 80 columns, or a file: what is drawn on it."""

    def drawn(*events, terminal=True):
        out = io.StringIO()
        console = Console(file=out, width=80, force_terminal=terminal, color_system=None, highlight=False)
        view = View(console)
        for event in events:
            view.draw(event)
        return out.getvalue()

    return drawn


def test_no_line_is_wider_than_the_terminal_and_words_stay_in_their_column(screen):
    told = screen(
        message("word " * 60), graded(), graded(result="failed", criteria=[], explanation="why " * 60)
    )
    lines = told.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.startswith(("Agent    ", "Graded   ", "         ", "       ✗")) for line in lines), told
    assert told.count("word") == 60


def test_a_file_gets_each_event_on_one_line(screen):
    assert screen(message("word " * 60), terminal=False).count("\n") == 1


def test_nothing_of_an_agent_moves_the_cursor(screen):
    for terminal in (True, False):
        told = screen(
            message(EVIL), graded(result="failed", criteria=[], explanation=EVIL), terminal=terminal
        )
        assert not {"\x1b", "\x07", "\r"} & set(told)
        assert "[bold]not bold[/nothing]" in told


def test_a_title_is_no_markup():
    session = {
        "id": "sesn_" + "0" * 24,
        "status": "idle",
        "title": EVIL,
        "agent": {"model": {"id": "openai:small"}},
        "outcome_evaluations": [{"result": "max_iterations_reached", "iteration": 2}],
        "usage": {"input_tokens": 5, "output_tokens": 7},
    }
    out = io.StringIO()
    console = Console(file=out, width=200, color_system=None)
    console.print(listed([session]))
    console.print(about(session))
    assert out.getvalue().count("[bold]not bold[/nothing]") == 2
    assert "max iterations (3)" in out.getvalue()
    assert "\x1b" not in out.getvalue()
