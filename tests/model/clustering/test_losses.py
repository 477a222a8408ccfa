from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.model.clustering._contrastive_loss import contrastive_loss
from scpi.model.clustering._model import margins
from scpi.model.clustering._self_training import (
    pairwise_similarity_loss,
    self_training_loss,
    squared_distances,
    student_log_kernel,
    target_distribution,
    weighted_kmeans_loss,
)

T = 0.3


@pytest.fixture
def views():
    generator = torch.Generator().manual_seed(0)
    draw = torch.randn(2, 5, 4, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(draw, dim=2)


def brute_force(views, positives, weight):
    """The formula of the docstring, one view at a time."""
    z = torch.cat(list(views)).numpy()
    similarity = np.exp(z @ z.T / T)
    total = 0.0
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        chosen = [j for j in others if positives(i % 5, j % 5)]
        w = np.array([weight[j % 5] for j in chosen])
        log_share = np.log([similarity[i, j] / similarity[i, others].sum() for j in chosen])
        total -= (w * log_share).sum() / w.sum()
    return total / len(z)


class TestContrastive:
    def test_without_labels_it_is_nt_xent(self, views):
        expected = brute_force(views, lambda i, j: i == j, np.ones(5))
        assert float(contrastive_loss(*views, temperature=T)) == pytest.approx(expected)

    def test_labels_make_positives(self, views):
        labels = np.array([0, 1, 0, 1, 1])
        expected = brute_force(views, lambda i, j: labels[i] == labels[j], np.ones(5))
        found = contrastive_loss(*views, temperature=T, labels=torch.from_numpy(labels)[:, None])
        assert float(found) == pytest.approx(expected)

    def test_cells_without_a_label_have_themselves(self, views):
        labels = np.array([0, -1, 0, -1, 1])
        expected = brute_force(views, lambda i, j: i == j or labels[i] == labels[j] >= 0, np.ones(5))
        found = contrastive_loss(*views, temperature=T, labels=torch.from_numpy(labels))
        assert float(found) == pytest.approx(expected)

    def test_weights_weigh_positives(self, views):
        labels, weight = np.array([0, 1, 0, 1, 1]), np.array([1.0, 2.0, 0.5, 0.1, 3.0])
        expected = brute_force(views, lambda i, j: labels[i] == labels[j], weight)
        found = contrastive_loss(
            *views, temperature=T, labels=torch.from_numpy(labels), weights=torch.from_numpy(weight)[:, None]
        )
        assert float(found) == pytest.approx(expected)
        # With a single positive a weight has nothing to weigh against.
        alone = contrastive_loss(*views, temperature=T, weights=torch.from_numpy(weight))
        assert float(alone) == pytest.approx(float(contrastive_loss(*views, temperature=T)))

    def test_gradients_are_finite(self, views):
        z = views.clone().requires_grad_()
        contrastive_loss(z[0], z[1], temperature=T, labels=torch.zeros(5, dtype=torch.long)).backward()
        assert torch.isfinite(z.grad).all()


class TestSelfTraining:
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 3)))
    centroids = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3)))

    def distances(self):
        return np.square(self.z.numpy()[:, None] - self.centroids.numpy()).sum(2)

    def test_assignments_and_targets(self):
        kernel = 1 / (1 + self.distances())
        q = kernel / kernel.sum(1, keepdims=True)
        log_q = torch.log_softmax(student_log_kernel(squared_distances(self.z, self.centroids)), 1)
        np.testing.assert_allclose(log_q.exp().numpy(), q)
        p = q**2 / q.sum(0)
        p /= p.sum(1, keepdims=True)
        np.testing.assert_allclose(target_distribution(torch.from_numpy(q)).numpy(), p)
        loss = self_training_loss(torch.from_numpy(p), log_q)
        assert float(loss) == pytest.approx((p * np.log(p / q)).sum(1).mean())

    def test_a_target_may_be_certain(self):
        target = torch.tensor([[1.0, 0.0]])
        log_q = torch.log(torch.tensor([[0.5, 0.5]]))
        assert float(self_training_loss(target, log_q)) == pytest.approx(np.log(2))

    def test_weighted_kmeans(self):
        d = self.distances()
        # The weights of the publication: squared softmax of the distances over the lowest, normalised.
        w = np.exp(-(d - d.min(1, keepdims=True)))
        w = (w / w.sum(1, keepdims=True)) ** 2
        w /= w.sum(1, keepdims=True)
        assert float(weighted_kmeans_loss(torch.from_numpy(d))) == pytest.approx((d * w).sum(1).mean())

    def test_pairwise_similarity(self):
        z = self.z.numpy()
        total = 0.0
        for i in range(len(z)):
            others = [j for j in range(len(z)) if j != i]
            n = np.array([1 / (1 + np.square(z[i] - z[j]).sum()) for j in others])
            p = n / n.sum()
            q = p**2 / (p**2).sum()
            total += (q * np.log(q / p)).sum()
        assert float(pairwise_similarity_loss(self.z)) == pytest.approx(total)

    def test_a_single_cell_has_no_pair(self):
        assert float(pairwise_similarity_loss(self.z[:1])) == 0.0

    def test_pairs_of_equal_cells_have_gradients(self):
        z = torch.zeros(3, 2, requires_grad=True)
        pairwise_similarity_loss(z).backward()
        assert torch.isfinite(z.grad).all()

    def test_margins(self):
        logits = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float64)
        expected = [1 - np.log(np.exp(2) + np.exp(4)), 2 - np.log(np.exp(1) + np.exp(4)), 4 - np.log(np.e + np.exp(2))]
        np.testing.assert_allclose(margins(logits).numpy(), [expected])
