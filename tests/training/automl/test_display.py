import io

import pytest
from rich.console import Console

from tests.training.automl.fake_sweep import controller
from training.automl import display
from training.automl.controller import Plan
from training.runs import Run

PLAN = Plan("accuracy", {}, 3, 3660.0, None, images=1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3599, "1 h 00 min"), (3660, "1 h 01 min")],
)
def test_times(seconds, text):
    assert display.clock(seconds) == text


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_gets_a_live_table_and_a_file_plain_lines(tmp_path, monkeypatch, terminal):
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=120)
    monkeypatch.setattr(display, "CONSOLE", console)
    sweep = controller(tmp_path, trials=1)
    sweep.run()
    with display.watcher(Run(tmp_path), PLAN) as watcher:
        watcher.event("trial 000 started: fake")
        watcher.update(sweep.records, 60.0)
    text = written.getvalue()
    assert "trial 000 started: fake" in text
    assert ("1 of at most 3 trials done, 1 min of 1 h 01 min" in text) is terminal
    assert ("\x1b" in text) is terminal
