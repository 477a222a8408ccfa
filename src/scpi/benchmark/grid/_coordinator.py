"""The loop that runs tasks: one per machine, or several that share a folder."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Literal

from scpi.benchmark.grid._attempt import KILLED, look, owner_of
from scpi.benchmark.grid._executor import Job
from scpi.benchmark.grid._run_task import give_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scpi.benchmark.grid._executor import Ended, Executor
    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_task import GridTask
    from scpi.benchmark.grid._plan import Plan

# Seconds between checks of the progress of other processes
_LOOK = 1.0
_WAIT = 0.5


class Coordinator:
    """Runs the tasks of plans, with one attempt each, or more if attempts are killed.

    ``show`` is called with the numbers of finished, failed and running tasks, and the title of the latest task.
    """

    def __init__(
        self,
        folder: Folder,
        executor: Executor,
        *,
        retries: int,
        heartbeat: float,
        show: Callable[[int, int, int, str], None],
    ) -> None:
        self._folder, self._executor = folder, executor
        self._retries, self._heartbeat, self._show = retries, heartbeat, show
        self._jobs: dict[str, Job] = {}
        self._queue: deque[GridTask] = deque()
        self._running: dict[str, GridTask] = {}
        self._elsewhere: dict[str, GridTask] = {}
        self._known: dict[str, int] = {}
        self._kills: Counter[str] = Counter()
        self._looked, self._n_failed = 0.0, 0
        self.ended: dict[str, Literal["finished", "failed"]] = {}
        """State of the completed tasks, by hash."""

    def add(self, plan: Plan, tasks: Sequence[GridTask] | None = None) -> None:
        """Add tasks of a plan, all if ``None``, except those already added."""
        tasks = [task for task in (plan.tasks if tasks is None else tasks) if task.hash not in self._jobs]
        states = {task.hash: look(self._folder, task.hash) for task in tasks}
        # Earlier failures are retried, but not failures of other machines in the meantime
        self._known |= {task: number - (state == "running") for task, (state, number) in states.items()}
        resources = {name: model.resources for name, model in plan.grid.variants().items()}
        shared: dict[str, Any] = {"out": str(self._folder.root), "plan": plan.word, "heartbeat": self._heartbeat}
        self._jobs |= {
            task.hash: Job(task=task.hash, resources=resources.get(task.model, {}), **shared) for task in tasks
        }
        self.ended |= {task.hash: "finished" for task in tasks if states[task.hash][0] == "finished"}
        queue = [task for task in tasks if task.hash not in self.ended]
        # Different orders, so that two processes in a folder meet in the middle
        shares = any(state == "running" for state, _ in states.values())
        self._queue.extend(reversed(queue) if shares else queue)

    def work(self) -> None:
        """Run all tasks."""
        while self._queue or self._running or self._elsewhere:
            self.step()

    def step(self) -> None:
        """Start tasks, and wait a moment for jobs that end; jobs are cancelled on an interrupt."""
        try:
            self._submit()
            for ended in self._executor.poll(_WAIT if self._running else 0.0):
                self._take(ended)
            if self._elsewhere:
                self._look_elsewhere()
        except BaseException:
            self._executor.cancel()
            raise

    def _submit(self) -> None:
        """Start as many tasks as the executor accepts, unless other processes have."""
        jobs: list[Job] = []
        free = self._executor.free()
        while self._queue and len(jobs) < free:
            task = self._queue.popleft()
            if self._is_open(task):
                self._running[task.hash] = task
                jobs.append(self._jobs[task.hash])
                self._report(task)
        if jobs:
            self._executor.submit(jobs)

    def _is_open(self, task: GridTask) -> bool:
        """Whether a task is still to be run; updates its state from other processes."""
        state, number = look(self._folder, task.hash)
        if state == "finished":
            self._end(task, "finished")
        elif state == "failed" and number > self._known[task.hash] and self._kind(task, number) not in KILLED:
            self._end(task, "failed")
        elif state == "running":
            self._elsewhere[task.hash] = task
        else:
            return True
        self._report(task)
        return False

    def _take(self, ended: Ended) -> None:
        """Record the end of a job; a killed task is retried with more resources."""
        task = self._running.pop(ended.task)
        state, number = look(self._folder, task.hash)
        mine = bool(ended.owner) and ended.owner.items() <= owner_of(self._folder, task.hash, number).items()
        if state == "finished":
            self._end(task, "finished")
        elif state == "running" and not (mine and ended.reason):
            self._elsewhere[task.hash] = task
        elif state == "failed" and self._kind(task, number) not in KILLED:
            self._end(task, "failed")
        else:
            self._kills[task.hash] += 1
            again = self._kills[task.hash] <= self._retries
            what = f"tried again with {self._executor.shrink()}" if again else f"not tried again after {self._retries}"
            if state != "failed" and mine:
                reason = f"{ended.reason or 'ended without a result'}; {what}"
                give_up(self._folder, f"{task.hash}.{number}", kind="killed", reason=reason)
            self._known[task.hash] = number
            if again:
                self._queue.append(task)
            else:
                self._end(task, "failed")
        self._report(task)

    def _kind(self, task: GridTask, number: int) -> str:
        path = self._folder.failed / f"{task.hash}.{number}" / "reason.json"
        return str(json.loads(path.read_text(encoding="utf-8"))["kind"])

    def _look_elsewhere(self) -> None:
        """Check the progress of other processes, and take over lost tasks."""
        if time.monotonic() - self._looked < _LOOK:
            if not self._running:
                time.sleep(_LOOK / 4)
            return
        for task in list(self._elsewhere.values()):
            del self._elsewhere[task.hash]
            if self._is_open(task):
                self._queue.append(task)
        self._looked = time.monotonic()

    def _end(self, task: GridTask, how: Literal["finished", "failed"]) -> None:
        self.ended[task.hash] = how
        self._n_failed += how == "failed"

    def _report(self, task: GridTask) -> None:
        self._show(len(self.ended) - self._n_failed, self._n_failed, len(self._running), task.title)
