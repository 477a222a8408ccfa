from __future__ import annotations

import torch

import scpi


def test_the_decoder_target_is_the_mean_without_lost_counts_at_median_depth(make_groups):
    adata = make_groups()
    scpi.model.SCZIDesk.setup_anndata(adata)
    model = scpi.model.SCZIDesk(adata, n_clusters=2, n_hidden=(8,), n_latent=3)
    model.train(max_epochs=1, max_cluster_epochs=0, accelerator="cpu", enable_progress_bar=False)
    target, z = model.decoder_target(), torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    decoder = model.module.decoder
    expected = decoder.mean(decoder.hidden(z)).clamp(-11.5, 13.8)
    torch.testing.assert_close(target.function(z), expected)
    assert list(target.names) == ["latent_0", "latent_1", "latent_2"]
