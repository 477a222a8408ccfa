from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import listed, result_params
from scpi._view import View
from scpi.model.base import ScreenModel
from scpi.tl._conditions import find_labels
from scpi.tl._explain._beside import mean_of_training, measure, score
from scpi.tl._explain._refits import refits
from scpi.tl._explain._sets import impact_of_sets
from scpi.tl._explain._tables import fidelity_of, tables_of
from scpi.tl._gene_set_impact import check_numbers, choose_sets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.tl._gene_set_impact import SetsOfGenes

_N_BINS = 25


@fill
def explain_prediction(
    data: AnnData | MuData,
    model: ScreenModel,
    perturbation: str | Sequence[str],
    *,
    context: str | None = None,
    dose: float | None = None,
    models: Sequence[ScreenModel] = (),
    n_refits: int = 0,
    train_kwargs: Mapping[str, Any] | None = None,
    interval: float | None = None,
    gene_sets_key: str | None = Key.varm.GENE_SETS,
    min_size: int = 5,
    max_size: int | None = None,
    top_n: int = 10,
    n_null: int = 1000,
    n_cells: int = 100,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Explain predicted changes by additive parts, and test whether these exceed chance.

    A predicted change is the sum of its parts, in every gene. The kinds of parts depend on the model:

    - :class:`~scpi.model.PerturbationGP`: the mean effect that is predicted for every perturbation, and the
      contributions of the measured effects of single `"perturbations"`, weighted by their features. The same sum is
      also decomposed into the `"sources"` of the features, and into the single `"features"` of the perturbation, such
      as the gene sets that contain it. All three decompositions are exact. The prediction of a measured perturbation
      comes from its own measurement, as far as that exceeds noise.
    - :class:`~scpi.model.SENAVAE`: its `"factors"`; :class:`~scpi.model.MultiTaskAE`: its latent `"units"`. A part is
      the shift of a unit by the perturbation, carried to the genes by integrated gradients of the decoder
      :cite:p:`sundararajan2017axiomatic`, which are exact if the decoder is linear. Other contributions to the prediction,
      such as measured effects, form a separate part.

    The fraction of a change that a part carries is the inner product of the part and the change, over that of the
    change with itself. It may be negative. Its p-value comes from null models that have learned nothing. For a Gaussian
    process, the effects are shuffled among the known perturbations, while the features stay. For a network, the values
    of each parameter tensor are shuffled. The test statistic of a part is its length along the change (for a known
    perturbation, along the contribution of the others). That of a gene is the magnitude of its change. The p-values of
    a measured perturbation refer to the contribution of the others. q-values follow Benjamini and Hochberg within a
    kind.

    Parameters
    ----------
    %(data)s
    model
        Trained model that can decompose its predictions.
    perturbation
        Label or labels of perturbations, single or combined, seen or unseen.
    context
        Context of the control cells to start from; all if `None`.
    dose
        Dose; 1 if `None`.
    models
        Models with other seeds or trained on other cells, of the same class and genes. They explain the same
        perturbations, which gives the stability.
    n_refits
        Number of further models to train for the stability, with other seeds and on a random half of the cells of each
        condition.
    train_kwargs
        Arguments of `train` for these models.
    interval
        Level of the intervals of the predicted changes; no intervals if `None`. The model must be calibrated (its
        method `calibrate`).
    gene_sets_key
        Entry of `adata.varm` with gene sets, as written by :func:`scpi.tl.gene_sets`, to test on the change and on its
        parts. If the default entry does not exist, or if `None`, no sets are tested.
    min_size, max_size
        Sets with fewer or more measured genes are left out.
    top_n
        Number of parts of each kind for which the contributions to the genes are stored and gene sets are tested.
    n_null
        Number of null models. For networks, enough models are shuffled that they have `n_null` units together.
    n_cells
        Maximum number of control cells for the decoder of a network, drawn at random.
    %(rng)s
    %(written_key_added)s

    `adata.uns['explained_prediction' | key_added]` : :class:`dict`
        `params`, and tables with the column `perturbation`, which :func:`scpi.get.explained_prediction` reads. The
        special change is the change without the part that is common to all perturbations.

        - `conditions`: `status`; `size` and `special`, the root mean squares of the change and of the special change;
          `fidelity`, the mean of `lost` minus `lost_random` over the first kind of parts; with an interval,
          `confidence`; and `n_measured` if the data has cells of the condition.
        - `genes`: `change`; `special`; `pval` and `qval`; `stability`, the fraction of the other models in which the
          gene changes in the same direction; and, if available, `lower`, `upper`, `measured` and `measured_se`.
        - `parts`: `kind`; `part`; `share`, the fraction of the special change that it carries; `size`, the root mean
          square over genes; `weight` of the measured effect, or shift of the unit; `pval` and `qval`; and `stability`,
          the mean cosine with the same part of the other models.
        - `sets`: `of`, the change or a part; `set`; and `n_genes`, `impact`, `zscore`, `pval` and `qval` as in
          :func:`scpi.tl.gene_set_impact`.
        - `fidelity`: `kind`; `n_removed`; `lost`, the fraction of the special change that is lost if that many of the
          largest parts are removed from the model; `lost_random` and `lost_random_sd`, if other parts are removed.
        - `scores`, if cells were measured: `squared_error` (relative to no change) and `pearson` of the prediction, of
          the mean of the other training conditions, of no change, and of the best possible score given the noise of the
          perturbed cells.
        - `columns`.
    `adata.varm['explained_prediction' | key_added]` : :class:`numpy.ndarray` (dtype `float32`)
        Contributions of the largest parts to each gene, genes x columns. With `"(common to all)"`, the columns of a
        kind sum to the change.

    Raises
    ------
    TypeError
        If the model cannot decompose its predictions, or the models are of several classes.
    KeyError
        If the gene sets do not exist.
    ValueError
        If a perturbation or the context is unknown, the data or a model has other genes, a number is out of range, or
        the model is not calibrated for an interval.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from anndata import AnnData
    >>> import scpi
    >>> names = ["control", *(f"{family}{i}" for family in ("KLF", "IRF", "SOX") for i in range(1, 7))]
    >>> effects = np.vstack([np.zeros(40), np.repeat(np.eye(3, 40), 6, axis=0) + 0.1])
    >>> adata = AnnData((1.5 + effects).astype("float32"), obs=pd.DataFrame({"perturbation": names}, index=names))
    >>> scpi.tl.perturbation_features(adata, perturbations=["KLF7"])
    >>> scpi.model.PerturbationGP.setup_anndata(adata)
    >>> model = scpi.model.PerturbationGP(adata)
    >>> model.train(train_size=1.0)
    >>> scpi.tl.explain_prediction(adata, model, "KLF7")
    >>> parts = scpi.get.explained_prediction(adata, kind="perturbations")
    >>> sorted(parts["part"][:6]) == names[1:7]
    True
    """
    key_added = Key.uns.EXPLAINED_PREDICTION if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    adata = view.adata
    if not isinstance(model, ScreenModel):
        msg = f"{type(model).__name__} predicts no perturbations: give the model whose prediction is to be explained."
        raise TypeError(msg)
    model._check_if_trained(warn=False)
    check_numbers(top_n=top_n, n_null=n_null, n_cells=n_cells, min_size=min_size)
    if n_refits < 0:
        msg = f"`n_refits` must be at least 0, but is {n_refits}."
        raise ValueError(msg)
    source = data if model.registry["setup_method_name"] == "setup_mudata" else adata
    if adata.var_names.astype(str).tolist() != model.var_names_:
        msg = f"The data has other genes than the {type(model).__name__}: give the genes that it was trained on."
        raise ValueError(msg)
    _check_models(model, models)
    labels = find_labels(model, perturbation)
    chosen = _sets(adata, gene_sets_key, min_size=min_size, max_size=max_size)
    # The null draws must differ from those of a user who shuffled something with the same seed
    generator = np.random.default_rng(as_generator(rng).integers(2**63, size=2))
    asked: dict[str, Any] = {"context": context, "dose": dose, "n_cells": n_cells}
    seed = int(generator.integers(2**31))
    # Explain before refitting, which takes longer and would fail in the same way
    explained = [model.explain(source, perturbation=label, **asked, rng=seed) for label in labels]
    cells = model._control_cells(source, context=context, indices=None)
    contexts = model._contexts_of(source, cells)
    others = [*models, *refits(model, n_refits, train_kwargs=train_kwargs or {}, rng=generator)]
    found: dict[str, list[pd.DataFrame]] = {}
    contributions = []
    for label, explanation in zip(labels, explained, strict=True):
        of_others = [one.explain(source, perturbation=label, **asked, rng=seed) for one in others]
        tables = tables_of(
            explanation, model.var_names_, of_others, n_null=n_null, top_n=top_n, rng=generator
        )._asdict()
        contributions.append(tables.pop("contributions"))
        if chosen is not None:
            scores = np.column_stack([explanation.change, contributions[-1]])
            tables["sets"] = impact_of_sets(scores, ["change", *_titles(tables["columns"])], chosen)
        beside = _beside(model, source, label, explanation.change, context=context, dose=dose, interval=interval)
        tables["genes"] = tables["genes"].assign(**beside.pop("genes"))
        condition = {
            Key.obs.STATUS: model._status(label, contexts),
            "size": _size(explanation.change),
            "special": _size(explanation.special),
            "fidelity": fidelity_of(tables["fidelity"], next(iter(explanation.parts))),
        }
        tables |= {"conditions": pd.DataFrame([condition | beside.pop("condition")]), **beside}
        for name, table in tables.items():
            table.insert(0, Key.obs.PERTURBATION, label)
            found.setdefault(name, []).append(table)
    result, target = view.output(copy)
    target.varm[key_added] = np.hstack(contributions).astype(np.float32)
    target.uns[key_added] = {
        **{name: pd.concat(tables, ignore_index=True) for name, tables in found.items()},
        "params": result_params(
            model=type(model).__name__,
            context=context,
            dose=dose,
            interval=interval,
            gene_sets_key=None if chosen is None else gene_sets_key,
            n_models=len(others) + 1,
            n_null=n_null,
            top_n=top_n,
            n_cells=n_cells,
        ),
    }
    return result


def _check_models(model: ScreenModel, models: Sequence[ScreenModel]) -> None:
    """Check that models to compare are trained, and of the same class and genes."""
    wrong = [type(one).__name__ for one in models if type(one) is not type(model)]
    if wrong:
        msg = f"`models` must be of the class of the model, {type(model).__name__}, but there are {listed(wrong)}."
        raise TypeError(msg)
    for one in models:
        one._check_if_trained(warn=False)
        if one.var_names_ != model.var_names_:
            msg = "`models` must have the genes of the model in the same order."
            raise ValueError(msg)


def _sets(adata: AnnData, key: str | None, *, min_size: int, max_size: int | None) -> SetsOfGenes | None:
    """Choose the gene sets to test; ``None`` if the default entry does not exist."""
    if key is None or (key == Key.varm.GENE_SETS and key not in adata.varm):
        return None
    return choose_sets(adata, key, layer=None, n_bins=_N_BINS, min_size=min_size, max_size=max_size)


def _titles(columns: pd.DataFrame) -> Iterator[str]:
    """Title each column by the change or part whose gene sets are tested."""
    return (row.part if row.kind == "genes" else f"{row.kind}: {row.part}" for row in columns.itertuples())


def _size(change: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(change).mean()))


def _beside(
    model: ScreenModel,
    source: AnnData | MuData,
    label: str,
    change: NDArray[np.float64],
    *,
    context: str | None,
    dose: float | None,
    interval: float | None,
) -> dict[str, Any]:
    """Collect intervals and measured changes as columns for the genes and the condition, and the scores."""
    genes: dict[str, NDArray[np.float64]] = {}
    condition: dict[str, Any] = {}
    beside: dict[str, Any] = {"genes": genes, "condition": condition}
    if interval is not None:
        calibrated = model._calibrated([label], change[None], context=context, dose=dose, interval=interval)
        genes |= {"lower": calibrated.lower[0], "upper": calibrated.upper[0]}
        condition |= {Key.obs.CONFIDENCE: calibrated.confidence[0], Key.obs.STATUS: calibrated.status[0]}
    measured = measure(model, source, label, context=context, dose=dose)
    if measured is not None:
        genes |= {"measured": measured.change, "measured_se": measured.standard_error}
        condition["n_measured"] = measured.n_cells
        beside["scores"] = score(change, measured, mean_of_training(model, label))
    return beside
