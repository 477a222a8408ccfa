from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._sequence import as_list
from scpi._slots import listed
from scpi._warn import warn_user
from scpi.design._greedy import Pick, gain_information, largest, reduce_variance, spread_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi.model import PerturbationGP
    from scpi.model.perturbation_gp._posterior import EffectPosterior

Criterion = Literal["reduction", "information", "uncertainty", "effect", "diversity", "random"]
# Maximum number of targets whose variances are summed; more give the same answer
_MOST_TARGETS = 500
_N_NAMED = 3


@fill
def next_perturbations(
    model: PerturbationGP,
    candidates: Sequence[str] | str | None = None,
    n_perturbations: int = 8,
    *,
    criterion: Criterion = "reduction",
    targets: Sequence[str] | str | None = None,
    rng: int | np.random.Generator | None = 0,
) -> pd.DataFrame:
    """Choose the perturbations to measure next, to improve the prediction of unmeasured perturbations.

    In :class:`scpi.model.PerturbationGP`, the part of the effects that features of perturbations explain has a
    posterior distribution. Its variance after a measurement does not depend on the result. A batch can therefore be
    chosen at once, each perturbation as if those before it had been measured.

    Parameters
    ----------
    model
        Trained model with the preset ``"scpi"``.
    candidates
        Perturbations that can be measured. If ``None``, all that have features and that the model was not trained on.
    n_perturbations
        Number of perturbations to choose.
    criterion
        Criterion of the choice:

        - ``"reduction"``: largest reduction of the summed predictive variance of the targets (V-optimality).
        - ``"information"``: most information on the effects of all candidates (greedy log determinant, D-optimality).
        - ``"uncertainty"``: largest posterior variances, regardless of the other choices.
        - ``"effect"``: largest expected changes.
        - ``"diversity"``: least similar to perturbations that were measured or chosen before.
        - ``"random"``: random perturbations, for comparison.
    targets
        Perturbations whose prediction is to improve. If ``None``, all that the model knows and was not trained on. If
        there are more than 500, a random 500 are used.
    %(rng)s

    Returns
    -------
    The chosen perturbations in order, with the columns:

    - ``score`` of the criterion: fraction of the variance that is removed; nats; variance; root mean square of the
      change; or 1 minus the largest similarity.
    - ``variance``: posterior variance of the part that features explain, relative to the part that is special to each
      perturbation.
    - ``effect``: root mean square of the expected change.
    - ``nearest``: most similar measured perturbation, with its ``similarity``.
    - ``reason``: explanation in words.

    Raises
    ------
    TypeError
        If the model has no posterior of effects.
    ValueError
        If the criterion is unknown, there are fewer than ``n_perturbations`` candidates, or a candidate is unknown to
        the model or was measured.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=8, n_cells=20, rng=0)
    >>> sc.pp.normalize_total(adata)
    >>> sc.pp.log1p(adata)
    >>> names = [name for name in adata.obs["perturbation"].unique() if name != "control"]
    >>> sets = {"first": ["NEW1", *names[:4]], "second": ["NEW2", *names[4:]]}
    >>> scpi.tl.perturbation_features(adata, gene_sets=sets, perturbations=["NEW1", "NEW2"], symbols=False, min_size=1)
    >>> scpi.model.PerturbationGP.setup_anndata(adata)
    >>> model = scpi.model.PerturbationGP(adata)
    >>> model.train()
    >>> sorted(scpi.design.next_perturbations(model, n_perturbations=2, criterion="effect")["perturbation"])
    ['NEW1', 'NEW2']
    """
    if criterion not in get_args(Criterion):
        msg = f"`criterion` must be one of {listed(get_args(Criterion))}, but is {criterion!r}."
        raise ValueError(msg)
    if not hasattr(model, "effect_posterior"):
        msg = (
            f"`model` is a {type(model).__name__}, which has no posterior of the effects of perturbations: train a "
            "`scpi.model.PerturbationGP`."
        )
        raise TypeError(msg)
    unmeasured = model.unmeasured_perturbations
    names = unmeasured if candidates is None else list(dict.fromkeys(as_list(candidates)))
    if not 1 <= n_perturbations <= len(names):
        msg = f"`n_perturbations` must be from 1 to the number of candidates, {len(names)}, but is {n_perturbations}."
        raise ValueError(msg)
    wanted = unmeasured if targets is None else list(dict.fromkeys(as_list(targets)))
    generator = as_generator(rng)
    if len(wanted) > _MOST_TARGETS:
        wanted = [wanted[i] for i in np.sort(generator.choice(len(wanted), _MOST_TARGETS, replace=False))]
    if model.calibration == 0 and criterion not in ("random", "effect"):
        warn_user(
            "The features do not predict the perturbations of this screen from each other: a choice based on them is no "
            "better than a random one."
        )
    everyone = list(dict.fromkeys([*names, *(wanted if criterion == "reduction" else [])]))
    posterior = model.effect_posterior(everyone)
    place = {name: i for i, name in enumerate(everyone)}
    picks = _choose(
        posterior,
        len(names),
        np.array([place.get(name, -1) for name in wanted], dtype=np.intp),
        n_perturbations,
        criterion,
        generator,
    )
    return _table(posterior, picks, wanted, criterion)


def _choose(
    posterior: EffectPosterior,
    n: int,
    targets: NDArray[np.intp],
    n_perturbations: int,
    criterion: Criterion,
    rng: np.random.Generator,
) -> list[Pick]:
    """Choose among the first ``n`` perturbations of a posterior."""
    # The part that is special to a perturbation is noise for the prediction of others
    noise = posterior.own_variance + posterior.noise

    def covariance(i: int) -> NDArray[np.float64]:
        return posterior.covariance(np.array([i]))[:n, 0]

    def similarity(i: int) -> NDArray[np.float64]:
        return posterior.similarity(np.array([i]))[:n, 0]

    if criterion == "reduction":
        cross = posterior.covariance(targets)
        # Measuring a target also reveals its special part
        cross[targets, np.arange(len(targets))] += posterior.own_variance
        of_target = posterior.variance_of(targets) + posterior.own_variance
        found = reduce_variance(n_perturbations, posterior.variance_of, noise, covariance, cross[:n].T, of_target)
        return [pick._replace(gain=pick.gain / of_target.sum()) for pick in found]
    if criterion == "information":
        return gain_information(n_perturbations, posterior.variance[:n], noise, covariance)
    if criterion == "uncertainty":
        return largest(n_perturbations, posterior.variance[:n])
    if criterion == "effect":
        return largest(n_perturbations, posterior.size[:n])
    if criterion == "diversity":
        return spread_out(n_perturbations, posterior.nearest(np.arange(n))[1], similarity)
    return [Pick(int(i), np.nan) for i in rng.choice(n, n_perturbations, replace=False)]


def _table(posterior: EffectPosterior, picks: list[Pick], targets: list[str], criterion: Criterion) -> pd.DataFrame:
    rows = np.array([pick.place for pick in picks], dtype=np.intp)
    places, similarity = posterior.nearest(rows)
    nearest = [posterior.known[i] for i in places]
    table = pd.DataFrame(
        {
            Key.obs.PERTURBATION: [posterior.names[i] for i in rows],
            "score": [pick.gain for pick in picks],
            "variance": posterior.variance_of(rows),
            "effect": posterior.size[rows],
            "nearest": nearest,
            "similarity": similarity,
        },
        index=pd.RangeIndex(1, len(picks) + 1, name="rank"),
    )
    table["reason"] = [
        f"{_reason(pick, name, targets, criterion)}; "
        + (f"most similar measured: {near} ({alike:.2f})" if alike > 0 else "similar to none that was measured")
        for pick, name, near, alike in zip(picks, table[Key.obs.PERTURBATION], nearest, similarity, strict=True)
    ]
    return table


def _reason(pick: Pick, name: str, targets: list[str], criterion: Criterion) -> str:
    """Explain in words why a perturbation was chosen."""
    if pick.removed is not None:
        others = [i for i in np.argsort(-pick.removed, kind="stable") if targets[i] != name and pick.removed[i] > 0]
        helped = ", ".join(targets[i] for i in others[:_N_NAMED])
        whose = f", besides its own mostly that of {helped}" if helped else ", all of it its own"
        return f"removes {pick.gain:.2%} of the predictive variance of {len(targets)} perturbations{whose}"
    return {
        "information": f"gives {pick.gain:.2f} nats of information on the effects of the candidates",
        "uncertainty": f"its effect is the least certain (variance {pick.gain:.2f})",
        "effect": f"the largest expected change ({pick.gain:.3g})",
        "diversity": f"the least similar to what is measured or chosen before ({1.0 - pick.gain:.2f})",
        "random": "random",
    }[criterion]
