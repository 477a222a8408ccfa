"""Scores of the Virtual Cell Challenge of 2026 from counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scpi import metrics
from scpi._keys import Key
from scpi._screen._labels import quoted
from scpi.benchmark._challenge._expression_tests import expressed, run_tests
from scpi.benchmark._challenge._pooled_errors import capped_errors, effect_sizes
from scpi.benchmark._challenge._pooled_noise import pooled_noise, pooled_profile
from scpi.benchmark._challenge._side import read_side

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi.benchmark._challenge._expression_tests import Tested
    from scpi.benchmark._challenge._side import Side

_LEVEL = 0.05
_MEANS = ("discrimination", "de_fidelity", "de_reach", "de_jaccard", "de_lfc_error")


class Vcc2026Scores(NamedTuple):
    """Scores in the six metrics of the Virtual Cell Challenge of 2026."""

    overall: pd.Series
    """One value per metric, by name: means over perturbations, and ``mse_normalised``, the sum of the errors over the sum
    of the effects."""
    perturbations: pd.DataFrame
    """One row per perturbation: ``discrimination``, ``error`` and ``effect`` (for ``mse_normalised``), ``de_fidelity``,
    ``de_reach``, ``de_jaccard`` and ``de_lfc_error``; NaN if a metric has no value."""


def score_vcc2026(
    predicted: AnnData,
    measured: AnnData,
    *,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: str = "control",
    layer: str | None = None,
    targets: Mapping[str, str | None] | None = None,
) -> Vcc2026Scores:
    """Score predicted counts with the metrics of the Virtual Cell Challenge of 2026.

    The values equal those of cell-eval2 0.20 with the preset ``vcc2026``. Both predicted and measured cells are
    compared with the measured control; predicted control cells are ignored.

    Parameters
    ----------
    predicted
        Predicted cells, with counts and the label of each cell, such as from a model of counts. Every measured
        perturbation must have cells.
    measured
        Measured cells of the same genes, in any order, including controls.
    perturbation_key
        Column of ``obs`` with the perturbation of each cell.
    control
        Label of the unperturbed cells.
    layer
        Layer with the counts, in both; ``X`` if ``None``.
    targets
        Target gene of each perturbation, by label; ``None`` for no target. Labels that are not in the mapping target
        the gene of the same name, if there is one. A gene is not scored for the perturbation that targets it, and
        discrimination excludes all targets.

    Returns
    -------
    The values of the metrics, for each perturbation and overall.

    Raises
    ------
    KeyError
        If a column or layer does not exist.
    ValueError
        If values are not counts, genes differ, a perturbation has no predicted cells, there is no control or only one
        perturbation, or a target is not a gene.

    Notes
    -----
    The preset ``"vcc2026"`` of other functions has the same six metrics on log-normalised cells, with at most
    ``n_cells`` measured, predicted or control cells, so that models without counts can be compared. Here, profiles are
    logarithms of *summed* counts scaled to 50,000 (discrimination, errors). Tests are on counts per million, in genes
    with more than 5 in the control. In ``mse_normalised``, the noise of the predicted profiles is also subtracted, up
    to a cap.
    """
    real = read_side(measured, "measured", perturbation_key=perturbation_key, control=control, layer=layer, names=None)
    if not (real.codes == 0).any():
        msg = f"`measured.obs[{perturbation_key!r}]` has no control cell {control!r}, only {quoted(real.names[1:])}."
        raise ValueError(msg)
    if len(real.names) < 3:
        msg = f"Perturbations are ranked, but `measured` has only {quoted(real.names[1:])}: at least two are needed."
        raise ValueError(msg)
    guess = read_side(
        _with_genes(predicted, real.genes),
        "predicted",
        perturbation_key=perturbation_key,
        control=control,
        layer=layer,
        names=real.names[1:],
    )
    of_targets = _targets(real, targets or {})
    found = pd.DataFrame({Key.obs.PERTURBATION: real.names[1:]})
    found = found.assign(**_of_profiles(real, guess, of_targets), **_of_tests(real, guess, of_targets))
    overall = {name: found[name].mean() for name in _MEANS}
    both = found[["error", "effect"]].dropna()
    overall["mse_normalised"] = metrics.mse_normalised(both["error"], both["effect"]) if len(both) else np.nan
    return Vcc2026Scores(pd.Series(overall), found.set_index(Key.obs.PERTURBATION))


def _with_genes(predicted: AnnData, genes: pd.Index) -> AnnData:
    """Predicted cells with the genes in the order of the measured ones."""
    missing, others = genes.difference(predicted.var_names), predicted.var_names.difference(genes)
    if len(missing) or len(others):
        msg = (
            f"`predicted` and `measured` must have the same genes, but {len(missing)} are not predicted, such as {quoted(list(missing[:3]))}, and "
            f"{len(others)} not measured, such as {quoted(list(others[:3]))}."
        )
        raise ValueError(msg)
    return predicted if predicted.var_names.equals(genes) else predicted[:, genes]


def _targets(real: Side, given: Mapping[str, str | None]) -> NDArray[np.bool_]:
    """Whether a gene is the target of a perturbation, perturbations x genes."""
    found = np.zeros((len(real.names) - 1, len(real.genes)), dtype=bool)
    place = {gene: column for column, gene in enumerate(real.genes)}
    for row, name in enumerate(real.names[1:]):
        gene = given.get(name, name)
        if name in given and gene is not None and gene not in place:
            msg = f"`targets` names {gene!r} for {name!r}, which is not among the {len(place)} genes."
            raise ValueError(msg)
        if gene in place:
            found[row, place[gene]] = True
    return found


def _of_profiles(real: Side, guess: Side, targets: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Metrics on pseudobulk profiles."""
    profiles, predicted = pooled_profile(real.sums), pooled_profile(guess.sums[1:])
    noise = np.array([pooled_noise(real.cells(code)) for code in range(len(real.names))])
    of_guess = np.array([pooled_noise(guess.cells(code)) for code in range(1, len(guess.names))])
    changes = (profiles[1:] - profiles[0], predicted - profiles[0])
    return {
        "discrimination": metrics.perturbation_discrimination(*changes, exclude=targets.any(axis=0)),
        "error": capped_errors(profiles[1:], predicted, noise[1:], of_guess, targets),
        "effect": effect_sizes(profiles[1:], profiles[0], noise[1:], noise[0], targets),
    }


def _of_tests(real: Side, guess: Side, targets: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Metrics of differential expression."""
    control = real.cells(0)
    genes = expressed(control)
    measured, predicted = (run_tests(side, control, genes) for side in (real, guess))
    scored = ~targets[:, genes]
    truth, called = ((side.pval_adj < _LEVEL) & scored for side in (measured, predicted))
    # If no gene is significant in the measured cells, only the calls of the prediction count
    directed = np.where(truth.any(axis=1, keepdims=True), truth, called & (measured.lfc != 0))
    changes = (measured.lfc, predicted.lfc)
    return {
        "de_fidelity": np.asarray(metrics.direction_fidelity(*changes, directed, predicted_significant=called)),
        "de_reach": np.asarray(metrics.direction_reach(*changes, truth, score=_sureness(predicted, real.genes[genes]))),
        "de_jaccard": np.asarray(metrics.significant_jaccard(truth, called)),
        "de_lfc_error": np.asarray(metrics.lfc_nmae(*changes, truth)),
    }


def _sureness(tested: Tested, genes: pd.Index) -> NDArray[np.float64]:
    """A score that orders genes by p-value, with ties broken by the magnitude of the change, and then by name."""
    names = np.broadcast_to(np.argsort(np.argsort(genes)), tested.lfc.shape)
    order = np.lexsort((names, -np.abs(tested.lfc), tested.pval, tested.pval_adj), axis=-1)
    return -np.argsort(order, axis=-1).astype(np.float64)
