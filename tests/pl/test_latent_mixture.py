from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Ellipse

import scpi
from scpi.pl._latent_mixture import _ellipse


@pytest.fixture
def adata(latent_once):
    return latent_once.copy()


def ellipses(axes):
    return [patch for patch in axes.patches if isinstance(patch, Ellipse)]


def test_cells_and_components_are_where_they_were_stored(adata):
    axes = scpi.pl.latent_mixture(adata, show=False)
    points = np.concatenate([np.asarray(dots.get_offsets()) for dots in axes.collections])
    np.testing.assert_allclose(points, adata.obsm["X_dgd"][:, :2], rtol=1e-6)
    assert [len(dots.get_offsets()) for dots in axes.collections] == [60, 30]
    assert [text.get_text() for text in axes.get_figure().legends[0].get_texts()] == ["0", "1"]
    drawn = ellipses(axes)
    np.testing.assert_allclose([patch.center for patch in drawn], [[2, 0], [-2, 1]])
    # Two standard deviations to either side
    np.testing.assert_allclose(drawn[0].width, 4 * np.sqrt(0.5))
    np.testing.assert_allclose(drawn[0].height, 4 * np.sqrt(0.1))
    assert [text.get_text() for text in axes.texts] == ["0", "1"]


def test_an_ellipse_is_turned_as_its_covariance_is():
    turn = np.deg2rad(30)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    found = _ellipse(np.zeros(2), rotation @ np.diag([4.0, 1.0]) @ rotation.T)
    assert found.angle % 180 == pytest.approx(30.0)
    assert (found.width, found.height) == (pytest.approx(8.0), pytest.approx(4.0))


def test_cells_are_coloured_by_a_column_and_small_components_left_out(adata):
    adata.obs["kind"] = pd.Categorical(np.arange(90) % 9)
    adata.uns["dgd"]["weights"] = np.array([0.995, 0.005])
    axes = scpi.pl.latent_mixture(adata, color="kind", show=False)
    looks = {(*dots.get_facecolor()[0], len(dots.get_paths()[0].vertices)) for dots in axes.collections}
    assert len(looks) == len(axes.collections) == 9
    # Six colours that can be told apart without colour vision, and then other markers
    assert len({look[:4] for look in looks}) == 6
    assert len(ellipses(axes)) == 1


def test_it_is_said_what_is_not_there(adata):
    with pytest.raises(KeyError, match=r"no mixture 'mine', only 'dgd'. Call `scpi.model.DGD.write_mixture`"):
        scpi.pl.latent_mixture(adata, key="mine")
    with pytest.raises(KeyError, match="no column 'kind'"):
        scpi.pl.latent_mixture(adata, color="kind")
