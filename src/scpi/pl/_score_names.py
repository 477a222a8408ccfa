"""Axis labels of the scores of a ranking and of the saliencies of units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SLOPES = ("gradient", "guided", "smoothgrad")
_CONTRIBUTIONS = ("deeplift", "expected_gradients", "input_x_gradient", "integrated_gradients", "occlusion")
_OF_RANKINGS = {
    "sparse_decoder": r"Shrunken $\log_2$ fold change",
    "decoder_contrast": r"Shrunken $\log_2$ fold change, decoded",
    **dict.fromkeys(_SLOPES, "Margin per unit of log expression"),
    **dict.fromkeys(_CONTRIBUTIONS, "Contribution to the margin"),
    "tree_shap": "Shapley value, log odds",
    "permutation": "Loss of accuracy",
    "wilcoxon": "z of the rank sums",
    "t-test": "t",
    "t-test_overestim_var": "t, variance overestimated",
    "logreg": "Coefficient, log odds",
    "logistic": "z of the log odds",
    "poisson": "z of the rates",
    "zinb": "z of the likelihood ratio",
    "edger": r"Signed $\sqrt{F}$",
    "deseq2": "Wald statistic",
    "limma": "Moderated t",
}
# End of the interval nearer to zero
_LIMIT = r"$\log_2$ fold change, at least"
_OF_UNITS = {
    "decoder_effect": "Log expression per unit",
    "latent_traversal": "Log expression, high \N{MINUS SIGN} low",
    **dict.fromkeys(_SLOPES, "Activity per unit of log expression"),
    **dict.fromkeys(_CONTRIBUTIONS, "Contribution to the activity"),
}


def score_name(params: Mapping[str, Any]) -> str:
    """Label the scores of a ranking, by the parameters that are stored with it."""
    name = _LIMIT if params.get("score") == "limit" else _OF_RANKINGS.get(str(params.get("method")), "Score")
    return f"|{name}|" if bool(params.get("rankby_abs", False)) else name


def attribution_name(params: Mapping[str, Any], layer: str) -> str:
    """Label the attributions of cells in a layer, by the parameters of the ranking that wrote it."""
    if params.get("layer_added") != layer:
        return "Attribution"
    # Counts times the natural logarithm of the fold change
    return (
        "Log-likelihood ratio" if params.get("method") == "sparse_decoder" else score_name({"method": params["method"]})
    )


def saliency_name(stored: Any) -> str:
    """Label the saliencies of genes in units, by their entry of `adata.uns`, if there is one."""
    params = stored.get("params", {}) if hasattr(stored, "get") else {}
    return _OF_UNITS.get(str(params.get("method")), "Score")
