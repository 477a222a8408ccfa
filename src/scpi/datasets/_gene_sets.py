"""Collections of gene sets."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Literal, get_args

from scpi._docs import fill
from scpi._gene_sets import parse_gene_sets
from scpi._slots import listed
from scpi.datasets._download import fetch, github

BASIC = "basic"
_HUMAN = "human"

_GSEAPY = ("zqfang/GSEApy", "08cb2b689def365f7dee1f5da50c49d3a149cf5a")
_VPA = ("markziemann/vpa-senescence", "a36fe56e72ca65276969b5ac47889ccb938ddbd0")
COLLECTIONS = {
    ("hallmark", _HUMAN): github(
        "tests/extdata/h.all.v7.0.symbols.gmt",
        *_GSEAPY,
        "4803c09aae50bbd96d53fc681bd5545a4c89278993c15145dd7b7c994f893516",
        name="hallmark_human_v7.0.gmt",
    ),
    ("go_bp", _HUMAN): github(
        "tests/extdata/enrichr.GO_Biological_Process_2021.gmt",
        *_GSEAPY,
        "5987ce789053fdd5533393cd65b9abdb5e08e4fade7b0625a1fe234a1207eea4",
        name="go_bp_2021_enrichr.gmt",
    ),
    ("reactome", _HUMAN): github(
        "ReactomePathways.gmt",
        *_VPA,
        "dad43596299f6416b971e913ea736442e498d493e49552fbf3ffc4c407288a74",
        name="reactome_human.gmt",
    ),
    ("reactome", "mouse"): github(
        "ReactomePathways_mouse.gmt",
        *_VPA,
        "9b40535d25538b84ce6d48d752b8a73927415c33481a27e2e46121c6d9df9b53",
        name="reactome_mouse.gmt",
    ),
}


Collection = Literal["basic", "hallmark", "go_bp", "reactome"]
NAMES: tuple[Collection, ...] = get_args(Collection)
"""Names of the collections."""


@fill
def gene_sets(
    name: Collection = "basic",
    *,
    organism: Literal["human", "mouse"] = "human",
    base_url: str | None = None,
    progress: bool = False,
) -> dict[str, list[str]]:
    """Load a collection of gene sets, which :func:`scpi.tl.gene_sets` matches to measured genes.

    ========== ======= ============= =================================================================================
    name       sets    organism      source
    ========== ======= ============= =================================================================================
    `basic`    19      human         Written for scpi from textbook knowledge, for a first look; needs no connection
    `hallmark` 50      human         Hallmark sets of MSigDB 7.0 (Liberzon et al., Cell Syst. 1, 2015), CC BY 4.0
    `go_bp`    6,036   human         Biological processes of the Gene Ontology, 2021, as in Enrichr, CC BY 4.0
    `reactome` 2,504   human, mouse  Pathways of Reactome, CC0; those of the mouse by orthology
    ========== ======= ============= =================================================================================

    The `basic` sets have 15 to 40 well-known genes of a cell type (T, B and NK cells, monocytes) or a process
    (interferon response, antigen presentation, cell cycle, stress, metabolism, ribosome, mitochondria). They are no
    curated resource: publish results with one of the others.

    All but `basic` are files of 0.05 to 1.5 MB in public repositories. They are downloaded once, without a login,
    verified against a hash and cached in ``scpi.settings.datasetdir``.

    Parameters
    ----------
    name
        The collection.
    organism
        Whose gene symbols.
    base_url
        URL of another folder that contains the file, such as a mirror.
    progress
        Whether to show the progress of the download.

    Returns
    -------
    The gene symbols of each set, by the name of the set.

    %(download_Raises)s

    Examples
    --------
    >>> import scpi
    >>> sets = scpi.datasets.gene_sets("basic")
    >>> sets["glycolysis"][:3]
    ['HK1', 'HK2', 'GPI']
    """
    if (name, organism) == (BASIC, _HUMAN):
        with as_file(files("scpi.datasets").joinpath("basic_sets.gmt")) as path:
            return parse_gene_sets(path)
    if (name, organism) not in COLLECTIONS:
        if name not in NAMES:
            msg = f"There is no collection {name!r} of gene sets, only {listed(NAMES)}."
            raise ValueError(msg)
        organisms = [_HUMAN, *(other for known, other in COLLECTIONS if known == name and other != _HUMAN)]
        msg = f"The collection {name!r} has gene sets of {listed(organisms)}, not of {organism!r}."
        raise ValueError(msg)
    return parse_gene_sets(fetch(COLLECTIONS[name, organism], base_url=base_url, progress=progress))
