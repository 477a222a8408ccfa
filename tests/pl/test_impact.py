from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import scpi
from scpi.pl._figure import BLUE, VERMILLION


def parts(ax):
    sets = [label.get_text() for label in ax.get_yticklabels()]
    units = [label.get_text() for label in ax.get_xticklabels()]
    return np.asarray(ax.images[0].get_array()), sets, units


def stored_value(adata, key, values, name, unit):
    stored = adata.uns[key]
    row = stored["units"].tolist().index(unit)
    return stored[values][row, stored["sets"].tolist().index("HALLMARK_" + name.replace(" ", "_"))]


@pytest.mark.parametrize("values", ["zscore", "specificity", "impact"])
def test_the_heatmap_shows_the_table(explained, values):
    image, sets, units = parts(scpi.pl.gene_set_impact(explained, values=values, n_sets=10, show=False))
    assert image.shape == (10, 8)
    for i, name in enumerate(sets):
        for j, unit in enumerate(units):
            assert image[i, j] == stored_value(explained, "gene_set_impact", values, name, unit)
    # The set of each unit comes before those that are the best of none
    assert sum("PROGRAM" in name for name in sets) == 8


def test_dots_mark_what_is_significant(explained):
    ax = scpi.pl.gene_set_impact(explained, show=False)
    _, sets, units = parts(ax)
    found = {(units[int(x)], sets[int(y)]) for x, y in ax.collections[0].get_offsets()}
    expected = {
        (unit, name)
        for unit in units
        for name in sets
        if stored_value(explained, "gene_set_impact", "pval_adj", name, unit) <= 0.05
    }
    assert found == expected
    assert len(found) >= 8


def test_the_style_of_the_paper(explained):
    image, sets, units = parts(scpi.pl.gene_set_impact(explained, style="paper", n_sets=28, show=False))
    assert image.min() == 0
    # Some unit is at the top of every set, as noise would be
    assert (image.max(axis=1) == 1).all()
    assert (image.max(axis=0) > 0.7).all()
    impact = explained.uns["gene_set_impact"]["impact"][:, 3]
    name = explained.uns["gene_set_impact"]["sets"][3].removeprefix("HALLMARK_").replace("_", " ")
    expected = (impact - impact.min()) / np.ptp(impact)
    order = [explained.uns["gene_set_impact"]["units"].tolist().index(unit) for unit in units]
    np.testing.assert_allclose(image[sets.index(name)], expected[order])
    norm = scpi.pl.gene_set_impact(explained, style="paper", show=False).images[0].norm
    assert norm(0.5) == pytest.approx(0.5**5)


def test_what_is_chosen_keeps_its_order(explained):
    chosen = ["HALLMARK_OTHER_3", "HALLMARK_OTHER_1"]
    _, sets, units = parts(scpi.pl.gene_set_impact(explained, units=["latent_5", "latent_2"], sets=chosen, show=False))
    assert sets == ["OTHER 3", "OTHER 1"]
    assert units == ["latent_5", "latent_2"]
    with pytest.raises(ValueError, match="no gene set 'nothing', only"):
        scpi.pl.gene_set_impact(explained, sets=["nothing"])
    with pytest.raises(ValueError, match="no unit 'nothing'"):
        scpi.pl.gene_set_impact(explained, units=["nothing"])
    with pytest.raises(ValueError, match="`values` must be one of"):
        scpi.pl.gene_set_impact(explained, values="pval")
    with pytest.raises(ValueError, match="`style` must be"):
        scpi.pl.gene_set_impact(explained, style="other")


def test_a_contrast_is_target_less_reference(explained):
    ax = scpi.pl.impact_contrast(explained, values="difference", show=False)
    image, sets, units = parts(ax)
    for i, name in enumerate(sets):
        for j, unit in enumerate(units):
            assert image[i, j] == stored_value(explained, "impact_contrast", "difference", name, unit)
    assert ax.images[0].colorbar.ax.get_ylabel().endswith("stim \N{MINUS SIGN} ctrl")
    found = {(units[int(x)], sets[int(y)]) for x, y in ax.collections[0].get_offsets()}
    assert (
        found == {(f"latent_{i}", name) for i in range(3) for name in sets if name.startswith(f"PROGRAM{i + 1} ")}
        or len(found) == 3
    )


def test_a_difference_needs_both_tests_for_a_dot(explained):
    explained.uns["impact_contrast"]["pval_both_adj"][:] = 1.0
    ax = scpi.pl.impact_contrast(explained, show=False)
    assert len(ax.collections[0].get_offsets()) == 0


def test_the_contrast_of_the_paper_is_masked(explained):
    image, sets, units = parts(scpi.pl.impact_contrast(explained, style="paper", n_sets=28, show=False))
    for i, name in enumerate(sets):
        column = explained.uns["gene_set_impact"]["sets"].tolist().index("HALLMARK_" + name.replace(" ", "_"))
        impact, difference = (
            explained.uns[key][part][:, column]
            for key, part in (("gene_set_impact", "impact"), ("impact_contrast", "difference"))
        )
        scaled = (impact - impact.min()) / np.ptp(impact)
        expected = np.where(scaled > 0.85, difference / np.abs(difference).max(), 0)
        order = [explained.uns["gene_set_impact"]["units"].tolist().index(unit) for unit in units]
        np.testing.assert_allclose(image[i], expected[order])
    explained.uns["gene_set_impact"]["units"] = np.array(list("abcdefgh"))
    with pytest.raises(ValueError, match="other units"):
        scpi.pl.impact_contrast(explained, style="paper")


def test_units_on_the_embedding(explained):
    panels = scpi.pl.units(explained, units=["latent_3", "latent_1"], show=False)
    assert len(panels) == 2
    stored = explained.uns["unit_annotation"]
    for panel, column in zip(panels, (3, 1), strict=True):
        values = np.sort(explained.obsm["X_scpi"][:, column])
        # Drawn from low to high
        np.testing.assert_allclose(panel.collections[0].get_array(), values)
        # A unit may lower its program
        minus = "\N{MINUS SIGN} " if stored["zscore"][stored["units"].tolist().index(f"latent_{column}")] < 0 else ""
        unit, label, sure = panel.get_title().split("\n")
        assert (unit, label) == (f"latent_{column}", f"{minus}PROGRAM{column + 1} RESPONSE")
        assert sure.startswith("q < $10^{-") and sure.endswith(f", margin {stored['margin'][column]:.1f}")
    assert len(scpi.pl.units(explained, n_units=3, show=False)) == 3
    with pytest.raises(KeyError, match="no embedding 'X_tsne', only"):
        scpi.pl.units(explained, basis="X_tsne")
    with pytest.raises(KeyError, match="no latent units 'X_pca'"):
        scpi.pl.units(explained, use_rep="X_pca")


def test_a_program_of_a_unit_that_cannot_be_negative_begins_with_what_it_raises():
    adata = ad.AnnData(np.ones((2, 5), dtype=np.float32), var=pd.DataFrame(index=list("abcde")))
    adata.varm["saliency"] = pd.DataFrame({"u": [-9.0, 1.0, -8.0, 3.0, -7.0]}, index=adata.var_names)
    for params, genes in (({}, "ace"), ({"non_negative": True}, "dba")):
        adata.uns["saliency"] = {"params": params}
        panel = scpi.pl.program(adata, n_genes=3, show=False)
        assert "".join(label.get_text() for label in panel.get_yticklabels()) == genes


def test_a_program_has_its_genes_and_signs(explained):
    panel = scpi.pl.program(explained, units="latent_2", n_genes=5, show=False)
    frame = scpi.get.programs(explained, units="latent_2", top_n=5)
    assert [label.get_text() for label in panel.get_yticklabels()] == frame["gene"].tolist()
    np.testing.assert_allclose([bar.get_width() for bar in panel.patches], frame["score"])
    colours = [to_hex(bar.get_facecolor()).upper() for bar in panel.patches]
    assert colours == [VERMILLION if score > 0 else BLUE for score in frame["score"]]
    assert len(scpi.pl.program(explained, n_units=3, show=False)) == 3
    falling = scpi.pl.program(explained, units="latent_2", n_genes=5, sign="negative", show=False)
    frame = scpi.get.programs(explained, units="latent_2", top_n=5, sign="negative")
    assert [label.get_text() for label in falling.get_yticklabels()] == frame["gene"].tolist()
    assert max(bar.get_width() for bar in falling.patches) < 0
