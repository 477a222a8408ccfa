"""One progress bar for a run: its stages, and the epochs of the training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from rich.console import Console


class RunProgress:
    """Shows the stages of a run and, below, the epochs of the training; nothing without a console."""

    def __init__(self, stages: Sequence[str], *, console: Console | None) -> None:
        self._stages = stages
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=console is None,
        )
        self._task = self._progress.add_task("Start", total=len(stages))
        self._next = 0

    def __enter__(self) -> RunProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._progress.update(self._task, description="Done", completed=len(self._stages))
        self._progress.stop()

    def next_stage(self, name: str | None = None) -> str:
        """Go on to the next stage, or to the one of this name, and return its name."""
        if name is not None:
            self._next = self._stages.index(name)
        name = self._stages[self._next]
        self._progress.update(self._task, description=name, completed=self._next)
        self._next += 1
        return name

    def say(self, lines: Sequence[str]) -> None:
        """Print lines above the bar, as they are."""
        for line in lines if not self._progress.disable else ():
            self._progress.console.print(line, markup=False, highlight=False)

    def epochs(self, n_epochs: int) -> Any:
        """A Lightning callback that shows the epochs of a training."""
        import lightning.pytorch as pl

        progress = self._progress
        task = progress.add_task("  epochs", total=n_epochs)

        class EpochProgress(pl.Callback):
            def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
                value = trainer.callback_metrics.get("objective_validation")
                shown = "" if value is None else f", objective {float(value):.4g}"
                progress.update(task, completed=trainer.current_epoch + 1, description=f"  epochs{shown}")

            def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
                progress.update(task, total=trainer.current_epoch, completed=trainer.current_epoch)

        return EpochProgress()
