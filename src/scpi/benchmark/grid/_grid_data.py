"""Data of a grid: source of the cells, and columns of their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scpi._keys import Key
from scpi.benchmark.grid._names import name_of
from scpi.benchmark.grid._problem import Problem, check_plain, check_type

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUFFIXES = (".h5ad", ".zarr")
ROOM = "scpi.datasets"
"""Module in which loaders and simulators are looked up."""


@dataclass(frozen=True, kw_only=True)
class GridData:
    """Cells of a grid: a file, or the result of a loader or a simulator, with the columns of their labels."""

    file: str | Path | None = None
    """A ``.h5ad`` file or ``.zarr`` store. Results depend on its content, not on its path."""
    loader: Any = None
    """Name of a function of ``scpi.datasets``, or ``"package.module:name"``, or the function itself."""
    simulator: Any = None
    """The same for a function that simulates cells; it gets ``seed`` as ``rng``."""
    seed: int | None = None
    """Seed of the simulator."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the loader or simulator."""
    normalise: bool = False
    """Whether ``X`` holds counts to log-normalise (10,000 per cell); they are kept in the layer ``counts``."""
    perturbation_key: str = Key.obs.PERTURBATION
    """Column of ``obs`` with the perturbation label of each cell."""
    control: str | Sequence[str] = "control"
    """Label of the unperturbed cells."""
    delimiter: str | None = "+"
    """String that separates the single perturbations in the label of a combination."""
    context_key: str | None = None
    """Column of ``obs`` with the contexts, if any."""
    dose_key: str | None = None
    """Column of ``obs`` with the doses, if any."""
    group_key: str = Key.obs.GROUP
    """Column of ``obs`` with the known groups, for the clustering task."""
    layer: str | None = None
    """Layer with the log-normalised expression on which predictions are compared, or with counts for other tasks; ``X``
    if ``None``."""
    apart: Sequence[str] = ()
    """Columns of ``obs`` whose values must not be on both sides of a split, such as donors; the audit of leaks checks
    them."""

    def __post_init__(self) -> None:
        given = [name for name in ("file", "loader", "simulator") if getattr(self, name) is not None]
        if len(given) != 1:
            raise Problem(f"needs one of 'file', 'loader' and 'simulator', but has {given or 'none'}.")
        if self.file is not None:
            check_type(self.file, (str, Path), "a path", "file")
            if Path(self.file).suffix not in _SUFFIXES:
                raise Problem(f"must end in one of {', '.join(_SUFFIXES)}, but is {str(self.file)!r}.", "file")
            object.__setattr__(self, "file", str(Path(self.file).expanduser().absolute()))
            if self.arguments:
                raise Problem("are those of a loader or simulator, and a file takes none.", "arguments")
        if (self.seed is None) != (self.simulator is None):
            words = "a simulator needs one" if self.seed is None else "a simulator alone has one: name it 'simulator'"
            raise Problem(f"{words}.", "seed")
        if self.seed is not None:
            check_type(self.seed, int, "a whole number", "seed")
        for kind in ("loader", "simulator"):
            if (value := getattr(self, kind)) is not None:
                object.__setattr__(self, kind, name_of(value, ROOM, kind, kind))
        check_type(self.arguments, Mapping, "a mapping of names and values", "arguments")
        check_plain(self.arguments, "arguments")
        if "rng" in self.arguments:
            raise Problem("the seed of a simulator is given as 'seed'.", "arguments", "rng")
        check_type(self.normalise, bool, "true or false", "normalise")
        for name in ("perturbation_key", "group_key"):
            check_type(getattr(self, name), str, "the name of a column", name)
        for name in ("delimiter", "context_key", "dose_key", "layer"):
            check_type(getattr(self, name), (str, type(None)), "a name or null", name)
        check_type(self.apart, (list, tuple), "a list of columns", "apart")
        object.__setattr__(self, "apart", tuple(self.apart))
        check_type(self.control, (str, list, tuple), "a label or a list of labels", "control")

    @property
    def setup(self) -> dict[str, Any]:
        """Columns and format of the labels, as arguments of ``setup_anndata`` of the models."""
        control = self.control if isinstance(self.control, str) else list(self.control)
        return {
            "perturbation_key": self.perturbation_key,
            "control": control,
            "delimiter": self.delimiter,
            "context_key": self.context_key,
            "dose_key": self.dose_key,
        }
