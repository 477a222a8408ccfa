from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._features import write_features
from scpi._features._expression import features_of_coexpression, features_of_screen
from scpi._features._fingerprints import features_of_smiles
from scpi._features._rows import covered_rows
from scpi._features._sets import features_of_edges, features_of_sets
from scpi._features._symbols import features_of_symbols
from scpi._features._tables import features_of_table, read_table
from scpi._gene_sets import parse_gene_sets, read_gene_sets, read_id_map
from scpi._keys import Key
from scpi._screen._conditions import read_screen
from scpi._screen._labels import quoted
from scpi._sequence import as_list
from scpi._slots import find_column, is_storable, listed, read_layer
from scpi._view import View
from scpi._warn import warn_user

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scpi._gene_sets._id_map import IdMap
    from scpi._screen._labels import Control

_Table: TypeAlias = "pd.DataFrame | str | os.PathLike[str]"
_Sets: TypeAlias = "str | os.PathLike[str] | Mapping[str, Iterable[str]] | pd.DataFrame"
_Sources: TypeAlias = "dict[str, tuple[Any, list[str]]]"


@fill
def perturbation_features(
    data: AnnData | MuData,
    *,
    gene_sets: _Sets | Mapping[str, _Sets] | None = None,
    edges: _Table | Mapping[str, _Table] | None = None,
    embeddings: _Table | Mapping[str, _Table] | None = None,
    screens: AnnData | pd.DataFrame | Mapping[str, AnnData | pd.DataFrame] | None = None,
    smiles: str | Mapping[str, str] | None = None,
    coexpression: bool = False,
    symbols: bool = True,
    perturbations: str | Sequence[str] = (),
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    layer: str | None = None,
    min_size: int = 5,
    max_size: int | None = 500,
    n_components: int = 50,
    id_map: IdMap | None = None,
    case: Literal["auto", "exact", "upper"] = "auto",
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Describe perturbations by prior knowledge of their genes or compounds, to predict unmeasured perturbations.

    Each source gives each perturbation a feature vector. The similarity of two perturbations is the cosine of their
    vectors, and a model such as :class:`scpi.model.PerturbationGP` weights the sources. A warning lists the
    perturbations that no source covers; :func:`scpi.get.perturbation_features` returns a table of the coverage.

    Parameters
    ----------
    %(data)s
    gene_sets
        Gene sets, in any form that :func:`scpi.tl.gene_sets` accepts, or the entry of `adata.varm` that it wrote, which
        has measured genes only. For several sources, a mapping from their names to such sets. The weight of a set is
        the logarithm of 1 plus the number of all genes per gene of the set.
    edges
        Edge list of a gene network, or several by name: a DataFrame, or the path of a Parquet, CSV or TSV file with a
        header. The first two columns are the nodes, and the third, if there is one, is the weight. Genes are similar if
        they are neighbours or have common neighbours.
    embeddings
        Embedding of genes or compounds, or several by name: a DataFrame with one row for each, the path of a Parquet,
        CSV or TSV file with the names in the first column, or the path of an NPZ file with a matrix and the names of
        its rows. The mean over the perturbations is subtracted.
    screens
        Another screen, or several by name: a table of effects, perturbations x genes, or cells or profiles with the
        same `perturbation_key`, `control` and `delimiter` as here.
    smiles
        SMILES structures of compounds by the name of the perturbation, or the column of `adata.obs` with the
        structures. The features are Morgan fingerprints, which need the package rdkit.
    coexpression
        Whether to describe a perturbed gene by its correlation with the principal components of the control cells.
    symbols
        Whether to describe genes by the prefixes of their symbols, which often denote a family (`KLF1`, `KLF2`). Turn
        it off for compounds.
    perturbations
        Further perturbations to predict, in addition to those of the data.
    %(perturbation_key)s
    %(control)s
    %(delimiter)s
    %(layer)s
    min_size, max_size
        Gene sets with fewer or more genes, perturbed or not, are dropped.
    n_components
        Maximum number of principal components of the control cells and of other screens.
    id_map
        Translation of the names of the perturbations into the ids of the sources: a mapping, a DataFrame, or the path
        of a table with a header. The first two columns of a table are used. Names that are not in it stay unchanged.
    case
        Whether to compare ids as they are (`"exact"`) or in upper case (`"upper"`). `"auto"` uses upper case if a match
        requires it.
    %(written_key_added)s

    `adata.uns['perturbation_features' | key_added]` : :class:`dict`
        `names` of the perturbations, `params`, and `sources`. Each source has the names of its `features` and `values`,
        perturbations x features, with rows of length 1, or of length 0 if it does not cover the perturbation.

    Raises
    ------
    ValueError
        If there is no source, a source covers no perturbation (the message names the types of ids on both sides), two
        sources have the same name, or a file is damaged.
    KeyError
        If a column does not exist.
    FileNotFoundError
        If a file does not exist.

    Warns
    -----
    UserWarning
        If no source covers some of the perturbations.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from anndata import AnnData
    >>> import scpi
    >>> adata = AnnData(np.ones((3, 1)), obs={"perturbation": ["control", "JUN", "FOS"]})
    >>> table = pd.DataFrame([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], index=["JUN", "FOS", "MYC"])
    >>> scpi.tl.perturbation_features(adata, embeddings=table, symbols=False, perturbations=["MYC"])
    >>> scpi.get.perturbation_features(adata)["perturbation"].tolist()
    ['FOS', 'JUN', 'MYC']
    """
    key_added = Key.uns.PERTURBATION_FEATURES if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added)
    screen: dict[str, Any] = {"perturbation_key": perturbation_key, "control": control, "delimiter": delimiter}
    labels = read_screen(view.adata, **screen)
    given = [str(name) for name in as_list(perturbations)]
    names = labels.labelling.vocabulary([*(one.label for one in labels.conditions), *given])
    mapping = {} if id_map is None else read_id_map(id_map)
    ids = [mapping.get(name, name) for name in names]
    kinds: list[_Sources] = [
        {
            name: _of_sets(view.adata, ids, sets, min_size=min_size, max_size=max_size, case=case)
            for name, sets in _several_sets(gene_sets).items()
        },
        {
            name: features_of_edges(ids, read_table(table, what=f"edges {name!r}", index=False), case=case)
            for name, table in _several("edges", edges).items()
        },
        {
            name: features_of_table(ids, table, what=f"the embedding {name!r}", case=case)
            for name, table in _several("embeddings", embeddings).items()
        },
        {
            name: features_of_screen(
                names, other, what=f"the screen {name!r}", n_components=n_components, case=case, **screen
            )
            for name, other in _several("screens", screens).items()
        },
    ]
    if smiles is not None:
        structures = _of_column(view.adata, smiles, **screen) if isinstance(smiles, str) else smiles
        kinds.append({"smiles": features_of_smiles(names, structures)})
    if coexpression:
        controls = read_layer(view.adata, layer)[labels.cells[labels.is_control]]
        genes = view.adata.var_names.astype(str).tolist()
        found = features_of_coexpression(names, genes, controls, n_components=n_components, case=case)
        kinds.append({"coexpression": found})
    if symbols:
        kinds.append({"symbols": features_of_symbols(ids)})
    sources = _joined(kinds)
    covered = np.any([covered_rows(values) for values, _ in sources.values()], axis=0)
    missing = [name for name, is_covered in zip(names, covered, strict=True) if not is_covered]
    result, written = view.output(copy)
    params = {"perturbation_key": perturbation_key, "min_size": min_size, "max_size": max_size, "case": case}
    write_features(written, key_added, names, sources, params=params)
    if missing:
        warn_user(
            f"{len(missing)} of {len(names)} perturbations have no features in {listed(sources)}, and can only be predicted "
            f"by the mean of the others: {quoted(missing)}."
        )
    return result


def _several(kind: str, given: Any) -> dict[str, Any]:
    """Name the sources; a single source has the name of its kind."""
    if given is None:
        return {}
    return {str(name): value for name, value in given.items()} if isinstance(given, Mapping) else {kind: given}


def _several_sets(given: Any) -> dict[str, Any]:
    """Name the sources of gene sets; a mapping to genes is one source, a mapping to other forms is several."""
    if not isinstance(given, Mapping):
        return _several("gene_sets", given)
    is_source = [isinstance(value, str | os.PathLike | Mapping | pd.DataFrame) for value in given.values()]
    return _several("gene_sets", given) if is_source and all(is_source) else {"gene_sets": given}


def _of_sets(
    adata: AnnData, ids: list[str], sets: Any, *, min_size: int, max_size: int | None, case: Any
) -> tuple[Any, list[str]]:
    """Make features from gene sets of any form, or from stored ones."""
    if isinstance(sets, str) and sets in adata.varm:
        membership, names = read_gene_sets(adata, sets)
        by_set, genes = membership.tocsc(), adata.var_names.astype(str).to_numpy()
        sets = {
            name: genes[by_set.indices[start:stop]].tolist()
            for name, start, stop in zip(names, by_set.indptr[:-1], by_set.indptr[1:], strict=True)
        }
    return features_of_sets(ids, parse_gene_sets(sets), min_size=min_size, max_size=max_size, case=case)


def _of_column(adata: AnnData, column: str, **screen: Any) -> dict[str, str]:
    """Read the structure of each single perturbation from a column; a `ValueError` if one has two."""
    values = find_column(adata, column, argument="smiles")
    labels = read_screen(adata, **screen)
    table = pd.DataFrame({"label": labels.perturbation, "smiles": values.to_numpy()[labels.cells]})[~labels.is_control]
    table = table.dropna().drop_duplicates()
    single = table[[not labels.labelling.is_combination(label) for label in table["label"]]]
    repeated = single["label"][single["label"].duplicated()]
    if len(repeated):
        msg = f"`adata.obs[{column!r}]` has several structures for {quoted(sorted(set(repeated)))}."
        raise ValueError(msg)
    return dict(zip(single["label"], single["smiles"], strict=True))


def _joined(kinds: list[_Sources]) -> _Sources:
    """Join all sources by name."""
    names = [name for sources in kinds for name in sources]
    if not names:
        msg = "There is no source of features: give `gene_sets`, `edges`, `embeddings`, `screens` or `smiles`, or `symbols=True`."
        raise ValueError(msg)
    wrong = sorted({name for name in names if names.count(name) > 1 or not is_storable(name)})
    if wrong:
        msg = f"Sources must have unique names without '/', but there are {listed(wrong)}."
        raise ValueError(msg)
    return {name: value for sources in kinds for name, value in sources.items()}
