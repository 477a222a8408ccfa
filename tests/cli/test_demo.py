from __future__ import annotations

from scpi.cli import _demo


def test_the_screen_has_ten_times_as_many_controls(run, tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr(_demo, "run", lambda adata, **options: given.update(options, adata=adata))
    arguments = ["--out", tmp_path, "--n-cells", 12, "--max-epochs", 3, "--seed", 4, "--likelihood", "nb"]
    found = run("demo", *arguments, "--accelerator", "cpu", "--force")
    assert found.exit_code == 0, found.output
    counts = given["adata"].obs["perturbation"].value_counts()
    assert counts["control"] == 120 and set(counts.drop("control")) == {12}
    assert (given["max_epochs"], given["seed"], given["likelihood"]) == (3, 4, "nb")
    assert given["overwrite"] and not given["resume"] and given["train_kwargs"] == {"accelerator": "cpu"}


def test_numbers_out_of_their_range_are_refused(run, tmp_path):
    found = run("demo", "--out", tmp_path, "--interaction", 2)
    assert found.exit_code == 2 and "interaction" in found.stderr
