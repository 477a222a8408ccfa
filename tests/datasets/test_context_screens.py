"""Screens with cell types, species and doses, in files of the format of the real ones."""

from __future__ import annotations

import logging
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi.datasets._srivatsan_2020 import _drug

h5py = pytest.importorskip("h5py")

COUNTS = np.array([[0, 1, 2], [3, 0, 4], [0, 0, 5], [6, 7, 0], [8, 0, 0]])
GENES = ["ISG15", "TP53", "KLF1"]


def kang():
    """As AnnData wrote files before 0.7: `obs` a compound of codes, the categories in `uns`, the matrix by columns."""
    columns = {"label": [0, 1, -1, 1, 0], "cell_type": [0, 1, 1, -1, 0], "replicate": [0, 0, 1, 1, 0]}
    obs = np.zeros(5, dtype=[("index", "S3"), ("nCount_RNA", "f8"), *((name, "i1") for name in columns)])
    obs["index"] = [b"c0", b"c1", b"c2", b"c3", b"c4"]
    obs["nCount_RNA"] = COUNTS.sum(axis=1)
    for name, codes in columns.items():
        obs[name] = codes
    var = np.array([(gene.encode(), gene.encode()) for gene in GENES], dtype=[("index", "S5"), ("name", "S5")])
    categories = {
        "label": [b"ctrl", b"stim"],
        "cell_type": [b"CD4 T cells", b"NK cells"],
        "replicate": [b"patient_101", b"patient_107"],
    }
    matrix = sparse.csc_matrix(COUNTS, dtype=np.float32)

    def write(path):
        with h5py.File(path, "w") as file:
            x = file.create_group("X")
            x.attrs["h5sparse_format"] = b"csc"
            x.attrs["h5sparse_shape"] = COUNTS.shape
            for part in ("data", "indices", "indptr"):
                x[part] = getattr(matrix, part)
            file["obs"] = obs
            file["var"] = var
            file["obsm"] = np.array([(row,) for row in np.arange(10.0).reshape(5, 2)], dtype=[("X_umap", "f8", (2,))])
            for name, values in categories.items():
                file[f"uns/{name}_categories"] = np.array(values)

    return write


def described(obs, *, layer=False):
    """As scPerturb (counts in `X`) or scPerturBench (counts in a layer, `X` dense and log-normalised) write files."""
    counts = sparse.csr_matrix(COUNTS, dtype=np.int64)
    adata = ad.AnnData(
        np.log1p(COUNTS).astype(np.float32) if layer else counts, obs=pd.DataFrame(obs, index=list("abcde"))
    )
    adata.var_names = GENES
    if layer:
        adata.layers["counts"] = sparse.csr_matrix(COUNTS, dtype=np.float32)
        adata.layers["logNor"] = sparse.csr_matrix(adata.X)
    return adata.write_h5ad


SOURCES = {
    "kang_2018": kang(),
    "nault_2021": described(
        {
            "Dose": [0.0, 30.0, 0.01, 3.0, 0.0],
            "celltype": pd.Categorical(["Cholangiocytes", "StellateCells", "StellateCells", None, "StellateCells"]),
            "perturbation": ["control", "TCDD", "TCDD", "TCDD", "control"],
            "dose": [0.0, 30.0, 0.01, 3.0, 0.0],
            "total_counts": [9.0, 9.0, 9.0, 9.0, 9.0],
        },
        layer=True,
    ),
    "hagai_2018": described(
        {
            "species": ["mouse1", "mouse2", "pig1", "rat3", "rabbit2"],
            "perturbation": pd.Categorical(["control", "lps2", "lps4", "lps6", "control"]),
            "condition1": ["mouse", "mouse", "pig", "rat", "rabbit"],
            "condition2": ["control", "LPS", "LPS", "LPS", "control"],
            "condition3": [0, 2, 4, 6, 0],
        },
        layer=True,
    ),
    "srivatsan_2020": described(
        {
            "cell_line": pd.Categorical(["A549", "K562", None, "MCF7", "K562"]),
            "time": [24.0, 24.0, np.nan, 72.0, 24.0],
            "dose_value": [0.0, 10.0, np.nan, 1e4, 1e2],
            "perturbation": pd.Categorical(
                ["control", "(+)-JQ1", None, "Rucaparib (AG-014699,PF-01367338) phosphate", "Glesatinib?(MGCD265) "]
            ),
            "dose_unit": "nM",
            "celltype": [
                "alveolar basal epithelial cells",
                "lymphoblasts",
                "None",
                "mammary epithelial cells",
                "lymphoblasts",
            ],
        }
    ),
}

KEPT = {
    "kang_2018": [0, 1, 4],
    "nault_2021": [0, 1, 2, 4],
    "hagai_2018": [0, 1, 2, 3, 4],
    "srivatsan_2020": [0, 1, 3, 4],
}
EXPECTED = {
    "kang_2018": {
        "perturbation": ["control", "IFNB", "control"],
        "perturbation_original": ["ctrl", "stim", "ctrl"],
        "label": ["ctrl", "stim", "ctrl"],
        "cell_type": ["CD4 T cells", "NK cells", "CD4 T cells"],
        "replicate": ["patient_101"] * 3,
        "nCount_RNA": [3.0, 7.0, 8.0],
    },
    "nault_2021": {
        "perturbation": ["control", "TCDD", "TCDD", "control"],
        "perturbation_original": ["control", "TCDD", "TCDD", "control"],
        "dose": [0.0, 30.0, 0.01, 0.0],
        "cell_type": ["Cholangiocytes", "StellateCells", "StellateCells", "StellateCells"],
        "celltype": ["Cholangiocytes", "StellateCells", "StellateCells", "StellateCells"],
        "total_counts": [9.0] * 4,
    },
    "hagai_2018": {
        "perturbation": ["control", "LPS2", "LPS4", "LPS6", "control"],
        "perturbation_original": ["control", "lps2", "lps4", "lps6", "control"],
        "time": [0.0, 2.0, 4.0, 6.0, 0.0],
        "species": ["mouse", "mouse", "pig", "rat", "rabbit"],
        "species_original": ["mouse1", "mouse2", "pig1", "rat3", "rabbit2"],
        "condition2": ["control", "LPS", "LPS", "LPS", "control"],
    },
    "srivatsan_2020": {
        "perturbation": ["control", "JQ1", "Rucaparib (AG-014699,PF-01367338) phosphate", "Glesatinib?(MGCD265)"],
        "perturbation_original": [
            "control",
            "(+)-JQ1",
            "Rucaparib (AG-014699,PF-01367338) phosphate",
            "Glesatinib?(MGCD265) ",
        ],
        "dose": [0.0, 10.0, 10_000.0, 100.0],
        "dose_value": [0.0, 10.0, 10_000.0, 100.0],
        "cell_type": ["A549", "K562", "MCF7", "K562"],
        "cell_line": ["A549", "K562", "MCF7", "K562"],
        "time": [24.0, 24.0, 72.0, 24.0],
        "dose_unit": ["nM"] * 4,
    },
}
MESSAGES = {
    "kang_2018": ["1 of 5 cells have no label and are removed", "1 of 5 cells have no cell_type and are removed"],
    "nault_2021": ["1 of 5 cells have no cell_type and are removed"],
    "hagai_2018": [],
    "srivatsan_2020": ["1 of 5 cells have no label and are removed"],
}
NAMES = list(SOURCES)


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Tiny screens, as bytes of their files."""
    folder = tmp_path_factory.mktemp("screens")
    for name, write in SOURCES.items():
        write(folder / name)
    return {name: (folder / name).read_bytes() for name in SOURCES}


@pytest.fixture
def screens(home, contents):
    """The home, with tiny screens."""
    for name, content in contents.items():
        home.publish(name, content)
    return home


def load(name, home):
    return getattr(scpi.datasets, name)(base_url=home.url)


@pytest.mark.parametrize("name", NAMES)
def test_columns_and_counts(screens, caplog, name):
    with caplog.at_level(logging.INFO, logger="scpi"):
        adata = load(name, screens)
    for column, values in EXPECTED[name].items():
        assert adata.obs[column].tolist() == values, column
    for column in {"perturbation", "cell_type", "species"} & set(adata.obs):
        categories = list(adata.obs[column].cat.categories)
        assert set(categories) == set(adata.obs[column])
        assert column != "perturbation" or categories[0] == "control"
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.dtype == np.float32
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS[KEPT[name]])
    assert adata.var_names.tolist() == GENES
    assert [message for message in caplog.messages if "are removed" in message] == MESSAGES[name]
    assert not any("not counts" in message for message in caplog.messages)
    # One file is kept, and nothing that was unpacked
    assert [path.name for path in scpi.settings.datasetdir.iterdir()] == [screens.files[name].name]


def test_embeddings_are_kept(screens):
    np.testing.assert_array_equal(
        load("kang_2018", screens).obsm["X_umap"], np.arange(10.0).reshape(5, 2)[KEPT["kang_2018"]]
    )


@pytest.mark.parametrize("name", NAMES)
def test_kept_damaged_and_offline(screens, caplog, name):
    first = load(name, screens)
    path = scpi.settings.datasetdir / screens.files[name].name
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert load(name, screens).obs.equals(first.obs)
    assert "is not the published file" in caplog.text
    assert path.read_bytes() == whole
    assert screens.requests == [f"/files/{path.name}"] * 2

    screens.stop()
    assert load(name, screens).obs.equals(first.obs)
    path.unlink()
    with pytest.raises(ConnectionError, match=f"{path.name} could not be downloaded from http://127.0.0.1.* by hand"):
        load(name, screens)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_hash_is_an_error_and_nothing_is_kept(screens, name):
    algorithm, digest = screens.files[name].known_hash.split(":")
    screens.files[name] = replace(screens.files[name], known_hash=f"{algorithm}:{'0' * len(digest)}")
    with pytest.raises(ValueError, match=f"not the published one, whose hash is {algorithm}:0000"):
        load(name, screens)
    assert not any(scpi.settings.datasetdir.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_no_h5ad(screens, name):
    screens.publish(name, b"<html>")
    with pytest.raises(ValueError, match=f"{screens.files[name].name}' is not a readable h5ad file"):
        load(name, screens)


@pytest.mark.parametrize(
    ("name", "missing", "message"),
    [
        ("nault_2021", "celltype", "TCDD.h5ad.gz has no column 'celltype'"),
        ("hagai_2018", "condition3", "crossSpecies.h5ad.gz has no column 'condition3'"),
        ("srivatsan_2020", "dose_value", "SrivatsanTrapnell2020_sciplex3.h5ad has no column 'dose_value'"),
        ("nault_2021", "counts", "TCDD.h5ad.gz has no layer 'counts'"),
    ],
)
def test_a_file_without_a_column(screens, tmp_path, name, missing, message):
    SOURCES[name](tmp_path / "screen.h5ad")
    adata = ad.read_h5ad(tmp_path / "screen.h5ad")
    if missing == "counts":
        del adata.layers["counts"]
    else:
        del adata.obs[missing]
    adata.write_h5ad(tmp_path / "other.h5ad")
    screens.publish(name, (tmp_path / "other.h5ad").read_bytes())
    with pytest.raises(ValueError, match=message):
        load(name, screens)


@pytest.mark.parametrize("value", [0.5, -1.0])
def test_values_that_are_no_counts_are_said(screens, tmp_path, caplog, value):
    SOURCES["nault_2021"](tmp_path / "screen.h5ad")
    adata = ad.read_h5ad(tmp_path / "screen.h5ad")
    adata.layers["counts"][1, 0] = value
    adata.write_h5ad(tmp_path / "screen.h5ad")
    screens.publish("nault_2021", (tmp_path / "screen.h5ad").read_bytes())
    load("nault_2021", screens)
    assert "TCDD.h5ad.gz contains values that are not counts" in caplog.text


def test_texts_for_missing_values_and_doses(screens, tmp_path, caplog):
    """Some files write `nan`; the control needs no dose, a drug does."""
    SOURCES["srivatsan_2020"](tmp_path / "screen.h5ad")
    adata = ad.read_h5ad(tmp_path / "screen.h5ad")
    adata.obs["perturbation"] = ["control", "A", "nan", "A", "None"]
    adata.obs["cell_line"] = "A549"
    adata.obs["dose_value"] = pd.Categorical([None, "10.0", "10.0", None, "10.0"])
    adata.write_h5ad(tmp_path / "screen.h5ad")
    screens.publish("srivatsan_2020", (tmp_path / "screen.h5ad").read_bytes())
    with caplog.at_level(logging.INFO, logger="scpi"):
        adata = load("srivatsan_2020", screens)
    assert adata.obs["perturbation"].tolist() == ["control", "A"]
    assert adata.obs["dose"].tolist() == [0.0, 10.0]
    assert "2 of 5 cells have no label" in caplog.text
    assert "1 of 5 cells have no dose" in caplog.text


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("(+)-JQ1", "JQ1"),
        ("(+)JQ1", "JQ1"),
        ("2-Methoxyestradiol (2-MeOE2)", "2-Methoxyestradiol (2-MeOE2)"),
        (" AR-42 ", "AR-42"),
        ("control", "control"),
    ],
)
def test_names_of_drugs(label, expected):
    assert _drug(label) == expected
