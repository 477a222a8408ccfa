"""The methods of a run in a paragraph, with versions and references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._keys import Key
from scpi.screen._effects import DE
from scpi.screen._tables import counted

if TYPE_CHECKING:
    from scpi.screen._result import ScreenResult

_LIMMA = "limma-voom (Law et al., 2014; Ritchie et al., 2015) on the sums of the counts of each sample"
_RANKS = "the rank-sum test on cells"


def methods(result: ScreenResult) -> str:
    """What was done, in words that a paper can take over."""
    adata, settings, preset = result.adata, result.settings, result.model.preset_
    numbers = settings["versions"]
    software = ", ".join(
        f"{name} {numbers[name]}" for name in ("scpi", "scvi-tools", "scanpy", "torch") if name in numbers
    )
    sets = (
        f"{adata.varm[Key.varm.GENE_SETS].shape[1]} gene sets" if Key.varm.GENE_SETS in adata.varm else "no gene sets"
    )
    if result.held_out:
        split = f"{counted(len(result.held_out), 'condition')} {'was' if len(result.held_out) == 1 else 'were'} held out of all training"
    else:
        split = "a fifth of the cells of every condition was held out of all training"
    sentences = [
        f"{adata.n_obs:,} cells and {adata.n_vars:,} genes were analysed with {software}.",
        f"A SENA-discrepancy-VAE (Zhang et al., 2023; de la Fuente Cedeño et al., 2025) with {result.model.n_factors_} causal "
        f"factors, {sets} and a {settings['likelihood']} likelihood was trained for at most "
        f"{settings['max_epochs'] or preset.max_epochs} epochs (seed {settings['seed']}); {split}.",
        "Predicted changes of the mean log expression were compared with those of the held-out cells, against control cells that "
        "no model was trained on. Differences from baselines are paired over perturbations, with percentile intervals of 2,000 "
        "bootstrap samples.",
        "Edges of the causal graph are drawn if they are found again in 80 % of random halves of the cells (stability selection; "
        "Meinshausen & Bühlmann, 2010).",
    ]
    if Key.uns.PERTURBATION_EFFECT in adata.uns:
        genes = "genes that are not perturbed themselves" if settings["exclude_targets"] else "all genes"
        sentences.append(
            f"Effects of perturbations on cells were tested by the energy distance from control cells, of {genes}, with permutations within "
            "batches and of guides where these are known (Székely & Rizzo, 2013), and responding cells were estimated by a mixture in "
            "the direction of the effect (after Papalexi et al., 2021)."
        )
    if DE in adata.uns:
        test = _LIMMA if adata.uns[DE]["params"]["method"] == "limma" else _RANKS
        sentences.append(
            f"Differential expression was tested by {test}, and p-values were adjusted over all genes and perturbations (Benjamini & "
            "Hochberg, 1995)."
        )
    return " ".join(sentences)
