"""Base class of the baselines: mean profiles of the training cells, and the changes that they add to control cells."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._docs import fill
from scpi._screen._composition import members_alone
from scpi.model.base._constants import KEYS
from scpi.model.base._screen_model import ScreenModel
from scpi.model.base.loading._splitter import CellSplitter
from scpi.model.base.prediction._profiles import take_profiles
from scpi.model.base.training._training import check_ignored
from scpi.model.baselines._contexts import equal_weights, mean_of_conditions
from scpi.model.baselines._profiles_module import ProfilesModule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model.base.prediction._predict import Counterfactual
    from scpi.model.base.prediction._profiles import Profiles


class Baseline(ScreenModel):
    """Base class of baselines: ``train`` computes means, ``predict`` adds changes between them to control cells.

    Subclasses set ``_weigh``, the weights of the changes of training contexts, or implement ``_change``, the change to
    add.
    """

    _module_cls = ProfilesModule
    _weigh: Callable[..., NDArray[np.float64]] = staticmethod(equal_weights)
    """One of the weights of :mod:`~scpi.model.baselines._contexts`."""

    def __init__(self, adata: AnnData | MuData | None = None, registry: dict[str, Any] | None = None) -> None:
        super().__init__(adata, registry)
        self.module = self._module_cls()
        self._model_summary_string = f"{type(self).__name__} baseline"
        self.init_params_ = self._get_init_params(locals())

    @fill
    def train(
        self,
        max_epochs: int | None = None,
        *,
        train_size: float = 0.9,
        validation_size: float | None = None,
        held_out: str | Sequence[str] = (),
        datasplitter_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        **ignored: Any,
    ) -> None:
        """Compute the means of the training cells.

        The arguments are those of the networks, so that both use the same cells. ``max_epochs`` and others that only
        concern gradients are accepted and ignored.

        Parameters
        ----------
        max_epochs
            Ignored.
        %(validation_size)s
        %(held_out)s
        %(datasplitter_kwargs)s
        seed
            Seed of the split; ``scvi.settings.seed``, or 0, if ``None``.
        **ignored
            Other arguments of the trainings of networks, which have no effect here.
        """
        check_ignored(self, ignored)
        splitter = CellSplitter(
            self.adata_manager,
            train_size=train_size,
            validation_size=validation_size,
            held_out=held_out,
            seed=seed,
            **(datasplitter_kwargs or {}),
        )
        n_contexts = len(self._contexts(self.adata)) if self.has_contexts else 1
        self.module.put(self._learn(splitter, n_contexts=n_contexts))
        self.trained_conditions_ = splitter.trained_conditions
        self.trained_contexts_ = splitter.trained_contexts
        self.train_indices, self.validation_indices, self.test_indices = splitter.split.sets
        self.history_: dict[str, Any] = {}
        self.is_trained_ = True

    def _learn(self, splitter: CellSplitter, *, n_contexts: int) -> dict[str, NDArray[Any]]:
        """Mean profiles of the training cells, and further arrays that the module stores, by name."""
        cells = splitter.train_idx
        profiles = take_profiles(
            self._field(self.adata, KEYS.X),
            cells,
            condition=splitter.conditions_of(cells),
            context=self._context_codes(self.adata)[cells],
            is_control=splitter.is_control(cells),
            design=splitter.design,
            n_contexts=n_contexts,
        )
        return profiles._asdict()

    def _measured(self, design: NDArray[np.float32]) -> dict[int, NDArray[np.float64]]:
        """Change of each training context that was measured under the perturbations of ``design``, at its doses.

        Without contexts, all cells are of one. It is empty if neither contexts nor doses are registered: there is nothing
        that a measured change could be transferred to.
        """
        return dict(self.module.profiles().by_context(design)) if self.has_contexts or self.has_doses else {}

    def _parts(self, design: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Designs whose changes add up to that of ``design``: itself, or its members if only these were measured."""
        alone = members_alone(design)
        composed = not self._is_measured(design) and all(map(self._is_measured, alone))
        return list(alone) if composed else [design]

    def _is_measured(self, design: NDArray[np.float32]) -> bool:
        return bool(self._measured(design))

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        """Change of the mean under the doses ``design`` (n_perturbations,) in a context with mean ``control``.

        It is the weighted mean of the changes of the training contexts under the condition. If no context was measured
        under it, it is the mean change of all conditions.
        """
        measured = self._measured(design)
        if not measured:
            return self.module.once(_mean_change)
        changes, controls = np.stack(list(measured.values())), self.module.profiles().controls[list(measured)]
        return np.asarray(self._weigh(controls, changes, control) @ changes)

    def _change_in(
        self, context: int, design: NDArray[np.float32], control: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """As :meth:`_change`, in the context with this code, for models that use more than its controls."""
        return self._change(design, control)

    def _predict_cells(self, asked: Counterfactual) -> NDArray[np.float32]:
        predicted = self._expression(asked.adata, asked.cells)
        if not asked.design.any():
            return predicted
        codes, known = self._context_codes(asked.adata)[asked.cells], self.module.profiles().control
        for code in np.unique(codes):
            control = self._control_mean(asked.adata, known, int(code), partial(self._rows, asked.adata))
            change = sum(self._change_in(int(code), part, control) for part in self._parts(asked.design))
            predicted[codes == code] += np.asarray(change, dtype=np.float32)
        return predicted


def _mean_change(profiles: Profiles) -> NDArray[np.float64]:
    return mean_of_conditions(profiles.design, profiles.changes)
