from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scpi.model.base._constants import KEYS
from scpi.model.gene_program import _statistics
from scpi.model.gene_program._module import GeneProgramModule
from scpi.model.gene_program._presets import PRESETS
from scpi.model.gene_program._statistics import unit_table


@pytest.mark.parametrize("n_batch", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"likelihood": "zinb", "reduction": "mean"},
        {"likelihood": "poisson", "depth": False},
        {"likelihood": "gaussian"},
        {"activation": "softplus"},
    ],
)
@torch.no_grad()
def test_the_table_agrees_with_all_cells_at_once(options, n_batch, monkeypatch):
    monkeypatch.setattr(_statistics, "_N_ENTRIES", 6 * 5)  # five cells at a time, and the last two of seven
    torch.manual_seed(0)
    preset = replace(PRESETS["scpi"], n_hidden=(5,), n_units=4, **options)
    module = GeneProgramModule(6, n_batch=n_batch, preset=preset).double()
    module.weight.normal_()
    module.level.normal_()
    module.to_units.bias.fill_(1.0)
    module.to_units.bias[1] = -1e3  # silent
    module.weight[2] = 1e-3  # changes next to nothing
    counts = torch.poisson(torch.full((30, 6), 3.0, dtype=torch.float64))
    counts[:, 0] = 0
    tensors = {KEYS.X: counts, KEYS.INPUT: counts.log1p()}
    if n_batch > 1:
        tensors[KEYS.BATCH] = torch.arange(30)[:, None] % n_batch
    batches = ({key: value[cells] for key, value in tensors.items()} for cells in torch.arange(30).split(7))
    table = unit_table(module, ["a", "b", "c", "d"], batches)

    z, level = module.encode(tensors[KEYS.INPUT]), module.mean_level()
    whole, decoded = module.reconstruction(tensors, z), module.decode(z, level)
    for unit, name in enumerate(table.index):
        without = z.clone()
        without[:, unit] = 0.0
        row, values = table.loc[name], z[:, unit].numpy()
        effect = (module.reconstruction(tensors, without) - whole).mean()
        np.testing.assert_allclose(row["reconstruction_effect"], effect, atol=1e-12)
        expected = [values.mean(), values.std(), values.min(), values.max(), (values > 0).mean()]
        np.testing.assert_allclose(
            row[["mean", "std", "min", "max", "fraction_on"]].astype(float), expected, atol=1e-12
        )
        assert row["vanished"] == bool((module.decode(without, level) - decoded).abs().max() < 0.05)
    assert table["vanished"].tolist()[1:3] == [True, True] or options.get("activation")
    assert not table["vanished"].all()
    assert (table.sort_values("order")["reconstruction_effect"].diff().dropna() <= 0).all()


@torch.no_grad()
def test_units_of_a_decoder_with_hidden_layers_are_left_out_before_them():
    torch.manual_seed(0)
    preset = replace(PRESETS["scpi"], n_hidden=(5,), n_units=4, decoder_hidden=(3,))
    module = GeneProgramModule(6, n_batch=1, preset=preset).double()
    counts = torch.poisson(torch.full((30, 6), 3.0, dtype=torch.float64))
    tensors = {KEYS.X: counts, KEYS.INPUT: counts.log1p()}
    z = module.encode(tensors[KEYS.INPUT])
    for unit, effect in enumerate(unit_table(module, ["a", "b", "c", "d"], [tensors])["reconstruction_effect"]):
        without = z.clone()
        without[:, unit] = 0.0
        expected = (module.reconstruction(tensors, without) - module.reconstruction(tensors, z)).mean()
        np.testing.assert_allclose(effect, expected, atol=1e-12)
