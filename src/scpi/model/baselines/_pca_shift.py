"""The mean change along principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._components import principal_axes
from scpi._docs import fill
from scpi.model.base.training._presets import at_least
from scpi.model.baselines._baseline import Baseline
from scpi.model.baselines._profiles_module import ProfilesModule

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model.base.loading._splitter import CellSplitter

_MAX_CELLS = 20_000


@fill
class PCAShift(Baseline):
    """Shift control cells along principal components, by the mean change of other contexts.

    The change is that of :class:`MeanDelta`, projected on principal components of at most 20,000 training cells drawn
    at random. This is the vector arithmetic of latent spaces, without a network.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    n_components
        Maximum number of components; fewer if there are fewer cells or genes.
    """

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        n_components: int = 50,
    ) -> None:
        super().__init__(adata, registry)
        self.n_components = at_least(n_components, 1, "n_components")
        self.module = ProfilesModule(more=["components"])
        self.init_params_ = self._get_init_params(locals())

    def _learn(self, splitter: CellSplitter, *, n_contexts: int) -> dict[str, NDArray[Any]]:
        x = self._rows(self.adata, splitter.sample(_MAX_CELLS))
        components = principal_axes(x, self.n_components, splitter.seed)
        if components is None:
            msg = f"Principal components need cells that differ in two genes or more; {x.shape[0]} x {x.shape[1]} were given."
            raise ValueError(msg)
        return super()._learn(splitter, n_contexts=n_contexts) | {"components": components}

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        components = self.module.array("components")
        return np.asarray((super()._change(design, control) @ components.T) @ components)
