from __future__ import annotations

import hashlib
import logging
from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import scpi
from scpi.datasets import _public_screens
from scpi.datasets._public_screens import FILES, harmonise_label, without_guide

LABELS = {
    "norman_2019": ["control", "KLF1", "KLF1_CEBPE", "CEBPE_KLF1", None],
    "papalexi_2021": ["control", "STAT1g1", "STAT1g2", "CMTM6g10", "NTg3"],
    "wessels_2023": ["control", "EP300", "NT_NT", "KDM1A_EP300", "EP300_NT"],
}
HARMONISED = {
    "norman_2019": ["control", "KLF1", "CEBPE+KLF1", "CEBPE+KLF1"],
    "papalexi_2021": ["control", "STAT1", "STAT1", "CMTM6", "control"],
    "wessels_2023": ["control", "EP300", "control", "EP300+KDM1A", "EP300"],
}


@pytest.fixture
def screens(home, tmp_path):
    """The home, with tiny screens."""
    for name, labels in LABELS.items():
        adata = ad.AnnData(sparse.csc_matrix(np.arange(10).reshape(5, 2)))
        adata.var_names = ["TP53", "TP53"]
        adata.obs["perturbation"] = labels
        adata.obs["lane"] = list("abcde")
        adata.write_h5ad(tmp_path / "screen.h5ad")
        home.publish(name, (tmp_path / "screen.h5ad").read_bytes())
    return home


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
@pytest.mark.parametrize("name", LABELS)
def test_download_once_and_harmonise(screens, name):
    load = getattr(scpi.datasets, name)
    adata = load(base_url=screens.url)
    assert screens.requests == [f"/files/{FILES[name].name}"]
    assert (scpi.settings.datasetdir / FILES[name].name).is_file()
    assert adata.obs["perturbation"].tolist() == HARMONISED[name]
    assert adata.obs["perturbation"].cat.categories[0] == "control"
    assert adata.obs["perturbation_original"].tolist() == [label for label in LABELS[name] if label]
    assert adata.obs["lane"].tolist() == list("abcde")[: adata.n_obs]
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.dtype == np.float32
    np.testing.assert_array_equal(adata.X.toarray(), np.arange(10).reshape(5, 2)[: adata.n_obs])
    assert adata.var_names.is_unique

    # The second time the server is not asked, and need not be there
    screens.stop()
    again = load(base_url=screens.url + "/")
    assert again.obs["perturbation"].tolist() == HARMONISED[name]
    assert len(screens.requests) == 1


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_a_damaged_file_is_downloaded_again(screens, caplog):
    scpi.datasets.norman_2019(base_url=screens.url)
    path = scpi.settings.datasetdir / FILES["norman_2019"].name
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert scpi.datasets.norman_2019(base_url=screens.url).n_obs == 4
    assert path.read_bytes() == whole
    assert len(screens.requests) == 2
    assert "is not the published file" in caplog.text

    path.write_bytes(whole[:1000])
    screens.stop()
    with pytest.raises(ConnectionError, match="is damaged"):
        scpi.datasets.norman_2019(base_url=screens.url)


def test_a_wrong_hash_is_an_error_and_nothing_is_kept(screens, monkeypatch):
    file = replace(_public_screens.FILES["norman_2019"], known_hash="md5:" + "0" * 32)
    monkeypatch.setitem(_public_screens.FILES, "norman_2019", file)
    with pytest.raises(ValueError, match="not the published one, whose hash is md5:00000"):
        scpi.datasets.norman_2019(base_url=screens.url)
    assert not (scpi.settings.datasetdir / file.name).exists()


def test_a_file_that_is_no_h5ad(screens):
    screens.publish("norman_2019", b"<html>")
    with pytest.raises(ValueError, match="not a readable h5ad file"):
        scpi.datasets.norman_2019(base_url=screens.url)


def test_missing_file_and_no_connection(screens):
    with pytest.raises(ConnectionError, match="404.*by hand"):
        scpi.datasets.norman_2019(base_url=screens.url + "/elsewhere")
    screens.stop()
    with pytest.raises(ConnectionError, match="could not be downloaded from http://127.0.0.1"):
        scpi.datasets.papalexi_2021(base_url=screens.url)


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_messages_and_progress(screens, caplog, capfd):
    with caplog.at_level(logging.INFO, logger="scpi"):
        scpi.datasets.norman_2019(base_url=screens.url)
    assert "Downloading" in caplog.text
    assert "1 of 5 cells have no label" in caplog.text
    assert capfd.readouterr().err == ""
    scpi.datasets.papalexi_2021(base_url=screens.url, progress=True)
    assert "100%" in capfd.readouterr().err


def test_registry():
    for file in FILES.values():
        algorithm, digest = file.known_hash.split(":")
        assert len(bytes.fromhex(digest)) == hashlib.new(algorithm, usedforsecurity=False).digest_size
        assert file.home.startswith("https://")
        assert file.name.endswith((".h5ad", ".h5ad.gz"))
    assert len({file.known_hash for file in FILES.values()}) == len(FILES) == 7
    assert set(FILES) <= set(scpi.datasets.__all__)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("KLF1", "KLF1"),
        ("KLF1_BAK1", "BAK1+KLF1"),
        ("BAK1,KLF1", "BAK1+KLF1"),
        ("KLF1+ctrl", "KLF1"),
        ("NegCtrl0_NegCtrl0", "control"),
        ("control", "control"),
        ("", "control"),
        ("non-targeting", "control"),
        ("NTRK1", "NTRK1"),
        ("HLA-A", "HLA-A"),
    ],
)
def test_labels(label, expected):
    assert harmonise_label(label) == expected


def test_guides():
    assert [without_guide(target) for target in ("STAT1g2", "CD86g12", "control", "IRF7")] == [
        "STAT1",
        "CD86",
        "control",
        "IRF7",
    ]
