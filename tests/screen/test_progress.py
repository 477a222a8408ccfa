from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from scpi.screen._progress import RunProgress

STAGES = ["Read", "Train", "Report"]


@pytest.fixture
def console():
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def test_stages_come_in_their_order_and_end_with_done(console):
    with RunProgress(STAGES, console=console) as progress:
        assert [progress.next_stage() for _ in STAGES] == STAGES
        (task,) = progress._progress.tasks
        assert (task.description, task.completed, task.total) == ("Report", 2, 3)
    assert (task.description, task.completed) == ("Done", 3)
    assert "Done" in console.file.getvalue()


def test_a_failure_stays_at_its_stage(console):
    with pytest.raises(RuntimeError, match="broken"), RunProgress(STAGES, console=console) as progress:
        progress.next_stage()
        raise RuntimeError("broken")
    (task,) = progress._progress.tasks
    assert (task.description, task.completed) == ("Read", 0)


def test_epochs_are_counted_with_their_objective(console):
    with RunProgress(STAGES, console=console) as progress:
        callback = progress.epochs(5)
        trainer = SimpleNamespace(current_epoch=1, callback_metrics={"objective_validation": 12.3456})
        callback.on_train_epoch_end(trainer, None)
        task = progress._progress.tasks[1]
        assert (task.completed, task.total) == (2, 5)
        assert task.description.endswith("objective 12.35")
        trainer = SimpleNamespace(current_epoch=3, callback_metrics={})
        # Training may stop early
        callback.on_train_end(trainer, None)
        assert (task.completed, task.total) == (3, 3)


def test_without_a_console_nothing_is_shown(capsys):
    with RunProgress(STAGES, console=None) as progress:
        progress.next_stage()
    assert capsys.readouterr() == ("", "")
