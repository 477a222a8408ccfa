from __future__ import annotations

import numpy as np
import pytest

import scpi


def test_a_panel_shows_both_changes(scored):
    panels = scpi.pl.prediction(scored, show=False)
    scores = scored.uns["prediction"]["scores"].set_index("perturbation")
    # Most cells first, and none without real cells
    assert [panel.get_title().splitlines()[0] for panel in panels] == ["B+C (50 cells)", "A (30 cells)"]
    for panel, (column, label) in zip(panels, [(1, "B+C"), (0, "A")], strict=True):
        points = panel.collections[0].get_offsets()
        np.testing.assert_allclose(points[:, 0], scored.varm["change_real"][:, column])
        np.testing.assert_allclose(points[:, 1], scored.varm["change_predicted"][:, column])
        title = panel.get_title()
        assert f"r {scores.loc[label, 'pearson']:.2f} (ceiling {scores.loc[label, 'pearson_ceiling']:.2f})" in title
        assert f"RMSE {scores.loc[label, 'rmse']:#.2g} (no change {scores.loc[label, 'rmse_no_change']:#.2g})" in title
        assert panel.get_xlim() == panel.get_ylim()
        assert np.abs(points).max() < panel.get_xlim()[1]
        diagonal = next(line for line in panel.lines if len(set(line.get_xdata())) == 2 and line.get_ls() == "--")
        np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())


def test_the_genes_that_change_most_are_named(scored):
    ax = scpi.pl.prediction(scored, perturbations="B+C", n_genes=4, show=False)
    top = np.argsort(-np.abs(scored.varm["change_real"][:, 1]))[:4]
    assert {text.get_text() for text in ax.texts} <= set(scored.var_names[top])
    assert len(ax.texts) >= 3
    none = scpi.pl.prediction(scored, perturbations="B+C", n_genes=0, show=False)
    assert len(none.texts) == 0


def test_perturbations_can_be_chosen(scored):
    panels = scpi.pl.prediction(scored, perturbations=["A", "B+C"], show=False)
    assert [panel.get_title().split()[0] for panel in panels] == ["A", "B+C"]
    with pytest.raises(ValueError, match="no measured perturbation 'unseen', only 'A', 'B\\+C'"):
        scpi.pl.prediction(scored, perturbations=["unseen"])
    assert scpi.pl.prediction(scored, n_panels=1, show=False).get_title().startswith("B+C")


def test_a_prediction_of_no_change_has_no_correlation(scored):
    scored.uns["prediction"]["scores"].loc[0, "pearson"] = np.nan
    ax = scpi.pl.prediction(scored, perturbations="A", show=False)
    assert not any(line.startswith("r ") for line in ax.get_title().splitlines())


def test_thousands_of_genes_are_one_picture_in_a_vector_file(scored):
    big = scored[:, np.zeros(3000, dtype=int)].copy()
    big.var_names_make_unique()
    ax = scpi.pl.prediction(big, perturbations="A", n_genes=0, show=False)
    assert ax.collections[0].get_rasterized()
