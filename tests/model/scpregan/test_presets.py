from __future__ import annotations

import re
from pathlib import Path

import pytest

from scpi.model.scpregan._presets import PRESETS

PAGE = Path(__file__).parents[3] / "docs" / "user_guide" / "scpregan.md"


@pytest.mark.parametrize(("column", "name"), list(enumerate(PRESETS)))
def test_the_table_of_presets_is_right(column, name):
    rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text(encoding="utf-8").splitlines())
    table = {row[0]: row[1:] for row in rows if len(row) == 3}
    assert table[""][column] == f'`"{name}"`'
    preset = PRESETS[name]
    rates = preset.lr, preset.discriminator_lr, preset.encoder_lr
    weights = preset.adversarial_weight, preset.encoding_weight, preset.cycle_weight
    expected = {
        "hidden layers": preset.n_hidden,
        r"$\lambda_a$ (adversarial), $\lambda_e$ (encoding), $\lambda_c$ (cycle)": weights,
        "learning rates of generators, discriminators, encoder": rates,
        "steps": (preset.n_steps,),
        "cells of each arm in each half of a step": (preset.batch_size,),
    }
    numbers = {
        row: tuple(float(value) for value in re.findall(r"\d+(?:\.\d+)?", table[row][column].replace(",000", "000")))
        for row in expected
    }
    assert numbers == expected
    assert ("cosine" in table["learning rates fall"][column]) is (preset.decay == "cosine")
    assert (table["transferred cells keep their residual"][column] == "yes") is preset.residual
    assert ("softplus" in table["last layer of the generators"][column]) is (preset.output == "softplus")


def test_the_published_settings():
    preset = PRESETS["published"]
    assert (preset.n_hidden, preset.n_latent) == ((512, 256), 16)
    assert (preset.n_steps, preset.batch_size) == (20_000, 64)
    assert (preset.lr, preset.discriminator_lr, preset.encoder_lr) == (1e-3, 1e-3, 1e-4)
    assert (preset.adversarial_weight, preset.encoding_weight, preset.cycle_weight) == (1e-3, 0.1, 0.0)
    assert (preset.output, preset.residual, preset.decay) == ("layer_norm", False, "step")
