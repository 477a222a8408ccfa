from __future__ import annotations

from scpi.model.scpregan._presets import PRESETS


def test_the_published_settings():
    preset = PRESETS["published"]
    assert (preset.n_hidden, preset.n_latent) == ((512, 256), 16)
    assert (preset.n_steps, preset.batch_size) == (20_000, 64)
    assert (preset.lr, preset.discriminator_lr, preset.encoder_lr) == (1e-3, 1e-3, 1e-4)
    assert (preset.adversarial_weight, preset.encoding_weight, preset.cycle_weight) == (1e-3, 0.1, 0.0)
    assert (preset.output, preset.residual, preset.decay) == ("layer_norm", False, "step")
