from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import scpi


@pytest.fixture
def joined(joined_once):
    return joined_once.copy()


def points(panel, number=0):
    return np.asarray(panel.collections[number].get_offsets())


def test_quantiles_lie_where_the_totals_do(joined):
    first, second = scpi.pl.library_size(joined, groupby="cell_type", show=False)
    np.testing.assert_allclose(points(first)[:, 0], points(first)[:, 1])
    np.testing.assert_allclose(points(second)[:, 1], 2 * points(second)[:, 0])
    assert [len(points(panel)) for panel in (first, second)] == [60, 40]
    # As many quantiles as there are cells are halfway between their ranks
    np.testing.assert_allclose(points(first)[0], np.quantile(np.arange(200, 260), 0.5 / 60))
    assert first.get_title() == "B cells\n60 / 60 cells"
    assert (first.get_xlabel(), first.get_ylabel()) == ("Total counts, measured", "Total counts, generated")
    assert first.get_xlim() == first.get_ylim()
    assert first.get_legend() is None


def test_the_smaller_sample_says_how_many_quantiles_there_are(joined):
    few = joined[np.r_[0:100, 100:110]]
    assert len(points(scpi.pl.library_size(few, show=False))) == 10
    many = ad.concat([joined] * 5, index_unique="_")
    assert len(points(scpi.pl.library_size(many, show=False))) == 100


def test_several_origins_have_a_colour_each(joined):
    joined.obs["origin"] = np.repeat(["a", "b", "c", "d"], 50)
    panel = scpi.pl.library_size(joined, reference="b", show=False)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["a", "c", "d"]
    assert len({tuple(dots.get_facecolor()[0]) for dots in panel.collections}) == 3
    assert panel.get_ylabel() == "Total counts, other cells"


def test_counts_can_be_sparse_and_in_a_layer(joined):
    joined.layers["counts"] = sparse.csr_matrix(joined.X)
    expected = points(scpi.pl.library_size(joined, show=False))
    joined.X = np.log1p(joined.X)
    np.testing.assert_array_equal(points(scpi.pl.library_size(joined, layer="counts", show=False)), expected)


def test_a_group_needs_cells_of_both(joined):
    part = joined[~((joined.obs["cell_type"] == "T cells") & (joined.obs["origin"] == "generated"))].copy()
    assert scpi.pl.library_size(part, groupby="cell_type", show=False).get_title().startswith("B cells")
    with pytest.raises(ValueError, match="no group of cells to compare 'T cells', only 'B cells'"):
        scpi.pl.library_size(part, groupby="cell_type", groups="T cells")
    part.obs["cell_type"] = part.obs["origin"]
    with pytest.raises(ValueError, match="No group has cells of 'measured' and of another origin"):
        scpi.pl.library_size(part, groupby="cell_type")


def test_it_is_said_what_is_not_there(joined):
    with pytest.raises(ValueError, match="no origin 'mine', only 'measured', 'generated'"):
        scpi.pl.library_size(joined, reference="mine")
    with pytest.raises(ValueError, match=r"must have 2 to 7 origins to compare, but has 'measured'"):
        scpi.pl.library_size(joined[:100])
    with pytest.raises(KeyError, match=r"no column 'made'.*anndata\.concat\(\{\.\.\.\}, label='made'\)"):
        scpi.pl.library_size(joined, key="made")
