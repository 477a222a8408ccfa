"""Names of the tensors that models exchange with scvi-tools and with their data."""

from __future__ import annotations

from typing import Final, NamedTuple

from scvi import REGISTRY_KEYS


class _Keys(NamedTuple):
    X: str = REGISTRY_KEYS.X_KEY
    """Expression. In training batches: of the control cells."""
    BATCH: str = REGISTRY_KEYS.BATCH_KEY
    """Batch of the cells in ``X``."""
    SIZE_FACTOR: str = REGISTRY_KEYS.SIZE_FACTOR_KEY
    """Size factor of the cells in ``X``."""
    INPUT: str = "input"
    """Counts after the input transform."""
    INDEX: str = "index"
    """Position of the cell in the data."""
    LABELS: str = REGISTRY_KEYS.LABELS_KEY
    """Label of each cell, for a supervised loss."""
    CATEGORICAL: str = REGISTRY_KEYS.CAT_COVS_KEY
    """Codes of the categorical covariates of the cells in ``X``, (n_cells, n_covariates)."""
    CONTINUOUS: str = REGISTRY_KEYS.CONT_COVS_KEY
    """Continuous covariates of the cells in ``X``, (n_cells, n_covariates)."""
    CONTEXT: str = "context"
    """Context of the cells in ``X``."""
    CONDITION: str = "perturbation"
    """Code of the condition (label and dose) of a cell."""
    GENE_SETS: str = "gene_sets"
    """Membership of genes in sets (in the registry only, never in a batch)."""
    PERTURBED: str = "X_perturbed"
    """Expression of perturbed cells, (n_conditions * n_cells, n_genes)."""
    PERTURBED_SIZE_FACTOR: str = "size_factor_perturbed"
    """Size factor of the perturbed cells."""
    WEIGHT: str = "weight"
    """Weight of each cell in a loss. Of perturbed cells: 1, and 0 for padding, (n_conditions, n_cells)."""
    DESIGN: str = "design"
    """Doses of the single perturbations, (n_conditions, n_perturbations)."""


KEYS: Final = _Keys()

UNSEEN: Final = {
    (True, True): "unseen condition",
    (True, False): "unseen perturbation",
    (False, True): "unseen context",
    (False, False): "unseen perturbation and context",
}
"""Status of an unmeasured condition, by whether its context and its perturbation are known from training."""

NO_BETTER: Final = "no better than the mean"
"""Status of a prediction whose like, when they were left out, were predicted no better than by the mean change."""
