from __future__ import annotations

import hashlib
import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.datasets import _op3

LAYER = "clipped_sign_log10_pval"
FILES = ["de_train.h5ad", "de_test.h5ad", "id_map.csv"]


@pytest.fixture
def published(home, monkeypatch):
    """The folder of the home, with tiny files of the same format."""
    monkeypatch.setattr(_op3, "HOME", home.url)
    folder = home.folder / "neurips-2023-data"
    folder.mkdir()
    conditions = {"de_train": [("T", "x"), ("T", "y"), ("B", "x")], "de_test": [("B", "y")]}
    for name, pairs in conditions.items():
        obs = pd.DataFrame(pairs, columns=["cell_type", "sm_name"], index=[", ".join(pair) for pair in pairs])
        adata = ad.AnnData(obs=obs, var=pd.DataFrame(index=["a", "b"]))
        adata.layers[LAYER] = np.arange(len(pairs) * 2.0).reshape(-1, 2) + 1.0
        adata.write_h5ad(folder / f"{name}.h5ad")
    pd.DataFrame({"id": [0], "cell_type": ["B"], "sm_name": ["y"]}).to_csv(folder / "id_map.csv", index=False)
    return folder


def digest(path):
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def kept(name):
    return scpi.settings.datasetdir / "neurips-2023-data" / name


def test_files_are_loaded_once_and_their_hashes_recorded(published, home, caplog):
    with caplog.at_level(logging.INFO, logger="scpi"):
        files = scpi.datasets.op3()
    assert files._fields == ("de_train", "de_test", "id_map")
    assert list(files.de_train.obs_names) == ["T, x", "T, y", "B, x"]
    np.testing.assert_array_equal(files.de_test.layers[LAYER], [[1.0, 2.0]])
    assert files.id_map.to_dict("list") == {"id": [0], "cell_type": ["B"], "sm_name": ["y"]}
    assert home.requests == [f"/files/neurips-2023-data/{name}" for name in FILES]
    for name in FILES:
        assert kept(f"{name}.sha256").read_text().strip() == digest(published / name)
        assert f"{name} has the hash {digest(published / name)}" in caplog.text
    scpi.datasets.op3()
    assert len(home.requests) == 3


def test_they_are_what_is_scored(published):
    files = scpi.datasets.op3()
    scores = scpi.benchmark.score_op3(**files._asdict())
    direct = scpi.benchmark.score_op3(*(published / name for name in FILES[:2]))
    pd.testing.assert_frame_equal(scores, direct)
    # Zeros are as far from (1, 2) as this
    assert scores.loc["zeros", "mean_rowwise_rmse"] == pytest.approx(np.sqrt(2.5))


def test_a_file_that_was_replaced_is_refused_until_its_record_is_deleted(published):
    scpi.datasets.op3()
    with (published / "id_map.csv").open("a") as file:
        file.write("1,T,z\n")
    assert len(scpi.datasets.op3().id_map) == 1
    kept("id_map.csv").unlink()
    with pytest.raises(ValueError, match=r"not the published one.*first download: delete '.*id_map\.csv\.sha256'"):
        scpi.datasets.op3()
    kept("id_map.csv.sha256").unlink()
    assert len(scpi.datasets.op3().id_map) == 2


def test_a_hash_that_is_given_is_verified(published):
    hashes = {name.partition(".")[0]: digest(published / name) for name in FILES}
    scpi.datasets.op3(known_hashes=hashes)
    assert not list(kept(".").glob("*.sha256"))
    with pytest.raises(
        ValueError, match=r"de_test\.h5ad is not the published one, whose hash is sha256:0*\. It"
    ) as raised:
        scpi.datasets.op3(known_hashes=hashes | {"de_test": "sha256:" + "0" * 64})
    assert "first download" not in str(raised.value)
    with pytest.raises(ValueError, match="names 'train', but the files are 'de_train', 'de_test', 'id_map'"):
        scpi.datasets.op3(known_hashes={"train": "md5:0"})


def test_a_file_that_cannot_be_read_has_no_record(published, home):
    whole = (published / "de_train.h5ad").read_bytes()
    (published / "de_train.h5ad").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"de_train\.h5ad' is not a readable h5ad file.*Delete it"):
        scpi.datasets.op3()
    assert not kept("de_train.h5ad.sha256").exists()
    (published / "de_train.h5ad").write_bytes(whole)
    kept("de_train.h5ad").unlink()
    pd.DataFrame({"id": [0]}).to_csv(published / "id_map.csv")
    with pytest.raises(ValueError, match=r"id_map\.csv' is not the file of OP3: it lacks .* 'cell_type', 'sm_name'"):
        scpi.datasets.op3()


def test_a_home_that_is_away_is_named_and_another_can_be_given(published, home, monkeypatch):
    monkeypatch.setattr(_op3, "HOME", "http://127.0.0.1:9/nowhere")
    with pytest.raises(ConnectionError, match=r"de_train\.h5ad could not be downloaded.*place the file"):
        scpi.datasets.op3()
    assert scpi.datasets.op3(base_url=home.url).de_train.n_obs == 3


def test_files_that_are_there_need_no_connection(published, monkeypatch):
    monkeypatch.setattr(_op3, "HOME", "http://127.0.0.1:9/nowhere")
    kept(".").mkdir(parents=True)
    for name in FILES:
        kept(name).write_bytes((published / name).read_bytes())
    assert scpi.datasets.op3().de_test.n_vars == 2
