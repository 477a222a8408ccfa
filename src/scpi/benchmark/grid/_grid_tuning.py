"""Options for tuning the settings of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scpi._scoring._metrics import check_metrics
from scpi._sequence import as_list
from scpi.benchmark.grid._grid_split import GridSplit
from scpi.benchmark.grid._problem import Problem, check_choice, check_type
from scpi.benchmark.grid._record import built

_SAMPLERS = ("tpe", "random", "nsga2")


@dataclass(frozen=True, kw_only=True)
class GridTuning:
    """Options of tuning, which uses inner folds of the training cells and reads no test cell."""

    n_trials: int = 50
    """Number of trials per model and fold."""
    objectives: str | Sequence[str] = "pearson"
    """Names of the metrics to optimise: one, or several for a Pareto front."""
    inner: Mapping[str, GridSplit] = field(default_factory=dict)
    """Functions for the inner folds of the training cells, by name of the split; by default the function of the
    split."""
    seeds: Sequence[int] = (0,)
    """Seeds; the value of a trial is the mean over inner folds and seeds."""
    sampler: str = "tpe"
    """``"tpe"`` (tree-structured Parzen estimator), ``"random"`` or ``"nsga2"`` (evolutionary, for several
    objectives)."""
    n_startup: int = 10
    """Number of random trials before the sampler and pruning start; population size of ``"nsga2"``."""
    prune: bool = False
    """Whether to stop a trial when its mean over the inner folds so far is worse than the median of other trials."""
    at_once: int = 4
    """Number of concurrent trials. Suggestions depend on it, not on the number of processes."""
    seed: int = 0
    """Seed of the suggestions."""

    def __post_init__(self) -> None:
        for name, least in (("n_trials", 1), ("n_startup", 1), ("at_once", 1), ("seed", 0)):
            check_type(getattr(self, name), int, "a whole number", name)
            if getattr(self, name) < least:
                raise Problem(f"must be at least {least}, but is {getattr(self, name)}.", name)
        try:
            object.__setattr__(self, "objectives", check_metrics(self.objectives))
        except ValueError as error:
            raise Problem(str(error), "objectives") from None
        check_type(self.inner, Mapping, "a mapping of names of splits and functions", "inner")
        inner = {key: built(GridSplit, value, "inner", key) for key, value in self.inner.items()}
        for key, split in inner.items():
            for name in ("data", "inside"):
                if getattr(split, name) is not None:
                    raise Problem(
                        "is taken from the split whose training cells are divided: leave it out.", "inner", key, name
                    )
        object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "seeds", as_list(self.seeds))
        for place, seed in enumerate(self.seeds):
            check_type(seed, int, "a whole number", "seeds", place)
        if not self.seeds:
            raise Problem("is empty: give at least one.", "seeds")
        check_choice(self.sampler, _SAMPLERS, "sampler", "sampler")
        check_type(self.prune, bool, "true or false", "prune")
        if self.prune and len(self.objectives) > 1:
            raise Problem(
                "needs a single objective: with several, no setting is worse than the median in all.", "prune"
            )
