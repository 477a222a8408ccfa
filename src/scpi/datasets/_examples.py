"""Small excerpts of published data, from the public repositories that contain them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from scpi._keys import Key
from scpi._replace import replaced
from scpi._settings import settings
from scpi.datasets._download import RemoteFile, fetch, github
from scpi.datasets._read_h5ad import open_h5ad

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anndata import AnnData


@dataclass(frozen=True)
class Example:
    """An excerpt, and the files from which it is converted."""

    file: str
    """Name of the converted file in ``scpi.settings.datasetdir``."""
    n_cells: int
    n_genes: int
    megabytes: float
    """Size of the download."""
    licence: str
    """Licence of the repository; the measurements themselves are published data."""
    article: str
    originals: tuple[RemoteFile, ...]


_MONOCLE3 = ("cole-trapnell-lab/monocle3", "1336cc97d053d46322148947a3375e2beb2f8652")

EXAMPLES = {
    "kang_2018_small": Example(
        "kang_muscat.h5ad",
        n_cells=1_556,
        n_genes=1_267,
        megabytes=1.0,
        licence="GPL-3",
        article="Kang et al., Nat. Biotechnol. 36 (2018)",
        originals=(
            github(
                "data/example_sce.rda",
                "HelenaLC/muscat",
                "017b290b414212c357e184d17edcca27f4302ace",
                "f66811fa513a01a91dae01bad308e96ed5238277246b911d8e1cd5f4425c3ed9",
            ),
        ),
    ),
    "kang_2018_unlabelled": Example(
        "kang_harmony.h5ad",
        n_cells=2_000,
        n_genes=9_015,
        megabytes=2.6,
        licence="GPL-3",
        article="Kang et al., Nat. Biotechnol. 36 (2018)",
        originals=(
            github(
                "data/pbmc_stim.RData",
                "immunogenomics/harmony",
                "df19af23ae0639bd6ea2da63898f973f08c85862",
                "d85a18ce8ec9dcb4ac86c8e195ed53ff893c5952a7d6bf70035a17856c9dc0ef",
            ),
        ),
    ),
    "papalexi_2021_small": Example(
        "papalexi2021_eccite_299genes.h5ad",
        n_cells=20_729,
        n_genes=299,
        megabytes=1.4,
        licence="MIT",
        article="Papalexi et al., Nat. Genet. 53 (2021)",
        originals=(
            github(
                "data/lowmoi_example_data.rda",
                "Katsevich-Lab/sceptredata",
                "ec722d5df90dfd34ace6cc9a5745ab6a5c2a6731",
                "e3f8ad09bb4b1d0deeeec2850a2d96f8f5062fef31a9ab1cc080e60560421b6a",
            ),
        ),
    ),
    "paul_2015": Example(
        "paul15.h5ad",
        n_cells=2_730,
        n_genes=3_451,
        megabytes=3.3,
        licence="Artistic-2.0",
        article="Paul et al., Cell 163 (2015)",
        originals=(
            github(
                "inst/extdata/paul15.h5ad.gz",
                "vjcitn/Simba4Bioc",
                "85ccd7bfa642c6d91a1ba4d5fdcad6b9c995d274",
                "b7b22bb3e47f88a53b4c99bd96bb13436b00d27fabcd898769dc008a0e6d8fe9",
            ),
        ),
    ),
    "pbmc3k": Example(
        "pbmc3k_labelled.h5ad",
        n_cells=2_638,
        n_genes=13_714,
        megabytes=3.1,
        licence="MIT; 10x Genomics CC BY 4.0",
        article="10x Genomics (2016), cell types of the tutorial of Seurat",
        originals=(
            # The last commit that contains the whole matrix
            github(
                "data/pbmc_matrix.rda",
                "rnabioco/clustifyr",
                "317bf51ef008cb198ec79dbef49dbc2afbd31886",
                "c8901a9fd9e9a4afa54e547d496eaa32c6a2061321e17b046ac61e158871b872",
            ),
            github(
                "data/pbmc_meta.rda",
                "rnabioco/clustifyr",
                "0097813c1c36f4a8a84b0f4cc3a4449c46d070e8",
                "df238012d0de5b5ad60009cbce75ad8390899d2decf6944ecf2dfc8bca283e5b",
            ),
        ),
    ),
    "srivatsan_2020_small": Example(
        "sciplex_a549_dex_8doses_198genes.h5ad",
        n_cells=500,
        n_genes=198,
        megabytes=0.06,
        licence="MIT",
        article="Srivatsan et al., Science 367 (2020)",
        originals=(
            github(
                "inst/extdata/small_a549_dex_exprs.rda",
                *_MONOCLE3,
                "a62ebcf41896515cda9277a64a6b305d8586a80fc2bf86fa197ec7a40b3f25a1",
            ),
            github(
                "inst/extdata/small_a549_dex_fdata.rda",
                *_MONOCLE3,
                "1bc48317fa7d696dc2bae294264083956e5d86f45174770efbcb271e0a89d51c",
            ),
            github(
                "inst/extdata/small_a549_dex_pdata.rda",
                *_MONOCLE3,
                "e3bd6338cbfff406959fcdbf82b1887b3032c44bcaab53e18e269fbb6bb5816e",
            ),
        ),
    ),
    "zhao_2021_small": Example(
        "gbm_panobinostat_zhao2021_300genes.h5ad",
        n_cells=5_000,
        n_genes=300,
        megabytes=2.7,
        licence="MIT",
        article="Zhao et al., Genome Med. 13 (2021)",
        originals=(
            github(
                "data/glioblastoma_example_data.rda",
                "const-ae/lemur",
                "0e62bc1287b17deec678f7db435ec09098a475f2",
                "4e56d9cff16fb6750dd0054a0f7f05a7429c612906dc610c8dd44cb3e60de37e",
            ),
        ),
    ),
}


def load_example(name: str, read: Callable[..., AnnData], *, base_url: str | None, progress: bool) -> AnnData:
    """Return an excerpt of ``EXAMPLES``, and download and convert it if it is not cached.

    ``read`` converts the originals, whose paths it is given. The result is written to ``scpi.settings.datasetdir``; a
    file of that name that is already there is read as it is.
    """
    example = EXAMPLES[name]
    path = settings.datasetdir / example.file
    if not path.exists():
        paths = [fetch(file, base_url=base_url, progress=progress) for file in example.originals]
        converted = read(*paths)
        converted.uns["source"] = ", ".join(file.url for file in example.originals)
        with replaced(path) as scratch:
            converted.write_h5ad(scratch)
    with open_h5ad(path) as stored:
        return stored.to_memory()


def label_perturbations(adata: AnnData, labels: Mapping[str, str]) -> None:
    """Write the perturbation of each cell in the words of scpi, from the conditions of the file; the first one is the control."""
    perturbations = adata.obs["condition"].astype(str).map(labels)
    adata.obs[Key.obs.PERTURBATION] = pd.Categorical(perturbations, categories=[*labels.values()])
