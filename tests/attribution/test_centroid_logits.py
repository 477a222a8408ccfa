import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from scpi.attribution import AttributionTarget, attribute_groups, centroid_logits, contrast


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    codes = np.arange(90) % 3
    return rng.normal(size=(90, 4)) + 2.0 * np.eye(4)[codes], codes


def linear(weight):
    matrix = torch.as_tensor(weight, dtype=torch.float32)
    names = [f"z{i}" for i in range(matrix.shape[1])]
    return AttributionTarget(
        lambda x: x @ matrix, lambda x: x, names, kind="latent", projection=matrix, head=lambda hidden: hidden
    )


def test_logits_are_those_of_gaussians_around_the_centroids(cells):
    x, codes = cells
    logits = centroid_logits(linear(np.eye(4)), x, codes, names=["a", "b", "c"])
    assert list(logits.names) == ["a", "b", "c"]
    means = np.stack([x[codes == k].mean(axis=0) for k in range(3)])
    variance = np.mean([(row - means[k]) ** 2 for row, k in zip(x, codes, strict=True)])
    wanted = -((x[:, None] - means) ** 2).sum(axis=-1) / (2 * variance)
    np.testing.assert_allclose(logits.function(torch.from_numpy(x).float()), wanted, rtol=1e-4)
    assert (wanted.argmax(axis=1) == LinearDiscriminantAnalysis().fit(x, codes).predict(x)).mean() > 0.9


def test_gradient_of_a_pair_is_the_difference_of_the_centroids(cells):
    x, codes = cells
    weight = np.random.default_rng(1).normal(size=(6, 4))
    genes = x @ np.linalg.pinv(weight)
    logits = centroid_logits(linear(weight), x, codes, names=["a", "b", "c"])
    found = attribute_groups(contrast(logits, reference="c"), genes, np.where(codes < 2, codes, -1)).mean
    means = np.stack([x[codes == k].mean(axis=0) for k in range(3)])
    variance = np.square(x - means[codes]).mean()
    np.testing.assert_allclose(found, (means[:2] - means[2]) @ weight.T / variance, rtol=1e-3)


def test_cells_without_a_group_do_not_matter(cells):
    x, codes = cells
    more = centroid_logits(linear(np.eye(4)), np.vstack([x, 100 + x]), np.append(codes, codes * 0 - 1), names="abc")
    alone = centroid_logits(linear(np.eye(4)), x, codes, names="abc")
    at = torch.from_numpy(x).float()
    torch.testing.assert_close(more.function(at), alone.function(at))


def test_cells_on_their_centroids():
    logits = centroid_logits(linear(np.eye(2)), [[0.0, 0.0], [1.0, 0.0]], [0, 1], names=["a", "b"])
    assert logits.function(torch.zeros(1, 2)).tolist() == [[0.0, -1.0]]


@pytest.mark.parametrize(
    ("latent", "codes", "message"),
    [
        (np.zeros((3, 5)), [0, 1, 2], "cells x 4 latent units"),
        (np.zeros((3, 4)), [0, 1], r"shapes are \(3, 4\) and \(2,\)"),
        (np.zeros((3, 4)), [0, 0, 1], "Each of the 3 groups needs a cell"),
        (np.zeros((4, 4)), [0, 1, 2, 3], "Each of the 3 groups needs a cell"),
    ],
)
def test_bad_input(latent, codes, message):
    with pytest.raises(ValueError, match=message):
        centroid_logits(linear(np.eye(4)), latent, codes, names=["a", "b", "c"])
