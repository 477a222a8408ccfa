from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

# Name on the package index, and extra of scpi-tools, by module
PACKAGES = {
    "distributed": ("distributed", "dask"),
    "gseapy": ("gseapy", "gsea"),
    "mlflow": ("mlflow", "mlflow"),
    "optuna": ("optuna", "tune"),
    "ot": ("POT", "transport"),
    "pyarrow": ("pyarrow", "benchmark"),
    "pydeseq2": ("pydeseq2", "deseq2"),
    "pyedger": ("pyedger", "edger"),
    "rdkit": ("rdkit", "chemistry"),
    "shap": ("shap", "shap"),
    "tensorboard": ("tensorboard", "tensorboard"),
    "wordcloud": ("wordcloud", "wordcloud"),
    "xgboost": ("xgboost", "xgboost"),
}


def import_extra(module: str) -> ModuleType:
    """Import a module of a package that an extra of scpi-tools installs; an `ImportError` names both if it is missing."""
    name = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # A missing dependency of the module is a different error with a different fix
        if error.name is None or error.name.partition(".")[0] != name:
            raise
        package, extra = PACKAGES[name]
        msg = (
            f"This needs the package {package!r}, which is not installed: pip install {package}, or "
            f"pip install 'scpi-tools[{extra}]'"
        )
        raise ImportError(msg, name=name) from error
