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
    """Explain predicted changes: of which parts they are made, and whether these are more than chance.

    A predicted change is a sum of parts, in every gene:

    - of :class:`~scpi.model.PerturbationGP`, the mean effect that is predicted of every perturbation, and what the measured effects
      of single `"perturbations"` add, with weights that come from their features. The same sum is divided by the `"sources"` of the
      features, and by the single `"features"` of the perturbation, such as the gene sets that it is in. All three are exact.
      A perturbation that was measured carries its own prediction, as far as its measurement is more than noise.
    - of :class:`~scpi.model.SENAVAE` its `"factors"`, and of :class:`~scpi.model.MultiTaskAE` its latent `"units"`: by how much the
      perturbation shifts them, and which genes follow, by integrated gradients of the decoder :cite:p:`sundararajan2017axiomatic`,
      exact where the decoder is linear. What the prediction has from elsewhere, such as measured effects, is a part of its own.

    The fraction of a change that a part carries is the product of the part with the change, over that of the change with itself, and
    may be negative. Its p-value is from models that have learned nothing: for a Gaussian process, the effects are shuffled among the known
    perturbations, and the features stay; for a network, the values of each tensor of parameters are shuffled. Parts are tested by
    how far they go in the direction of the change (a known perturbation, in that of what the others contribute), and genes by the
    size of their change. The p-values of a measured perturbation are those of what the others carry. q-values are by Benjamini and
    Hochberg within a kind.

    Parameters
    ----------
    %(data)s
    model
        A trained model that knows of what its predictions are made.
    perturbation
        Label or labels: perturbations, seen or not, in combination or alone.
    context
        Context of the control cells to start from; all if `None`.
    dose
        Dose; 1 if `None`.
    models
        Models of other seeds or of other cells, of the same class and genes, that explain the same perturbations, for the stability.
    n_refits
        Number of models to train for it, with other seeds and on a random half of the cells of each condition.
    train_kwargs
        Arguments of `train` of the model for these.
    interval
        Level of the intervals of the predicted changes; none if `None`. The model has to be calibrated (`calibrate` of the model).
    gene_sets_key
        Entry of `adata.varm` with gene sets that are tested on the change and on its parts, as :func:`scpi.tl.gene_sets` writes it. It
        may be missing where it has its usual name; none are tested if `None`.
    min_size, max_size
        Sets with fewer or more measured genes are left out.
    top_n
        Number of parts of each kind whose contributions to the genes are stored, and that gene sets are tested on.
    n_null
        Number of models that have learned nothing. For networks, as many are shuffled that their units are `n_null`.
    n_cells
        Maximum number of control cells for the decoder of a network, drawn at random.
    %(rng)s
    %(written_key_added)s

    `adata.uns['explained_prediction' | key_added]` : :class:`dict`
        `params`, and tables with the column `perturbation`, which :func:`scpi.get.explained_prediction` reads: `conditions`
        (`status`; root mean square of the change, `size`, and of what is special to it, `special`; `fidelity`, the mean of `lost` less
        `lost_random` over the first kind of parts; with an interval, `confidence`; and where cells of it are in the data `n_measured`), `genes` (`change`; `special`, without what is common to all perturbations;
        `pval`, `qval`; `stability`, the fraction of the other models in which the gene changes in the same direction; and,
        where there are, `lower`, `upper`, `measured`, `measured_se`), `parts` (`kind`; `part`; `share`, the fraction of the special change
        that it carries; `size`, root mean square over genes; `weight`, of the measured effect or by how much a unit is shifted; `pval`;
        `qval`; `stability`, the mean cosine with the same part of the other models), `sets` (`of`, the change or a part; `set`,
        `n_genes`, `impact`, `zscore`, `pval`, `qval` as of :func:`scpi.tl.gene_set_impact`), `fidelity` (`kind`; `n_removed`;
        `lost`, the fraction of the special change that is lost where the model has to do without that many of the largest parts;
        `lost_random` and `lost_random_sd`, without others), `scores` (where cells were measured, of the prediction, the mean of the
        other training conditions, no change, and at best, by the noise of the perturbed cells: `squared_error`, relative to no
        change, and `pearson`) and `columns`.
    `adata.varm['explained_prediction' | key_added]` : :class:`numpy.ndarray` (dtype `float32`)
        What the largest parts add to each gene, genes x columns. With `"(common to all)"`, the columns of a kind add up to the change.

    Raises
    ------
    TypeError
        If the model does not know of what its predictions are made, or the models are of several classes.
    KeyError
        If there are no such gene sets.
    ValueError
        If a perturbation or the context is unknown, the data or a model has other genes, a number is out of its range, or the model is not
        calibrated for an interval.

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
        msg = f"The data has other genes than the {type(model).__name__}: explain it with those that it was trained on."
        raise ValueError(msg)
    _check_models(model, models)
    labels = find_labels(model, perturbation)
    chosen = _sets(adata, gene_sets_key, min_size=min_size, max_size=max_size)
    # The draws of the null must not be those with which a user has shuffled something by the same seed
    generator = np.random.default_rng(as_generator(rng).integers(2**63, size=2))
    asked: dict[str, Any] = {"context": context, "dose": dose, "n_cells": n_cells}
    seed = int(generator.integers(2**31))
    # Before the refits, which take longer and fail in the same way
    explained = [model.explain(source, perturbation=label, **asked, rng=seed) for label in labels]
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
            Key.obs.STATUS: model._status(label),
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
    """Models to compare must be of the same class, trained, and of the same genes."""
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
    """Gene sets to test; ``None`` where there are none under the usual name."""
    if key is None or (key == Key.varm.GENE_SETS and key not in adata.varm):
        return None
    return choose_sets(adata, key, layer=None, n_bins=_N_BINS, min_size=min_size, max_size=max_size)


def _titles(columns: pd.DataFrame) -> Iterator[str]:
    """What the gene sets of a column are of."""
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
    """Intervals and measured changes as columns of the genes, what they say of the condition, and scores."""
    genes: dict[str, NDArray[np.float64]] = {}
    condition: dict[str, Any] = {}
    beside: dict[str, Any] = {"genes": genes, "condition": condition}
    if interval is not None:
        calibrated = model._calibrated([label], change[None], context=context, interval=interval)
        genes |= {"lower": calibrated.lower[0], "upper": calibrated.upper[0]}
        condition |= {Key.obs.CONFIDENCE: calibrated.confidence[0], Key.obs.STATUS: calibrated.status[0]}
    measured = measure(model, source, label, context=context, dose=dose)
    if measured is not None:
        genes |= {"measured": measured.change, "measured_se": measured.standard_error}
        condition["n_measured"] = measured.n_cells
        beside["scores"] = score(change, measured, mean_of_training(model, label))
    return beside
