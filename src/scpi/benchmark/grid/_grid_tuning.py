"""How the settings of models are tuned."""

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
    """How settings are looked for: on divisions of the training cells, so that no cell that is predicted later is read."""

    n_trials: int = 50
    """Number of settings to try, of each model on each division."""
    objectives: str | Sequence[str] = "pearson"
    """Names of metrics: one, or several of which no setting that is tried may be better in all."""
    inner: Mapping[str, GridSplit] = field(default_factory=dict)
    """Functions that divide the training cells of a split, by the name of the split; the function that made it, if not given."""
    seeds: Sequence[int] = (0,)
    """Seeds; the value of a setting is the mean over inner divisions and seeds."""
    sampler: str = "tpe"
    """``"tpe"`` (tree-structured Parzen estimator), ``"random"`` or ``"nsga2"`` (an evolution, for several objectives)."""
    n_startup: int = 10
    """Number of settings that are drawn at random before a sampler or the pruning learns from them; size of a generation."""
    prune: bool = False
    """Whether to stop a setting when its mean over the inner divisions so far is worse than the median of others'."""
    at_once: int = 4
    """Number of settings that are tried at the same time. What is suggested depends on it, not on the number of processes."""
    seed: int = 0
    """Seed of what is suggested."""

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
                        "is that of the split whose training cells are divided: leave it out.", "inner", key, name
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
            raise Problem("is for one objective: with several, no setting is worse than the median in all.", "prune")
