from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from scpi.model.base._constants import KEYS
from scpi.model.gene_program._module import GeneProgramModule
from scpi.model.gene_program._presets import PRESETS
from scpi.model.gene_program._statistics import unit_table


@torch.no_grad()
def test_the_table_agrees_with_all_cells_at_once():
    torch.manual_seed(0)
    module = GeneProgramModule(6, n_batch=1, preset=replace(PRESETS["scpi"], n_hidden=(5,), n_units=4)).double()
    module.weight.normal_()
    module.to_units.bias.fill_(1.0)
    module.to_units.bias[1] = -1e3  # silent
    module.weight[2] = 1e-3  # changes next to nothing
    counts = torch.poisson(torch.full((30, 6), 3.0, dtype=torch.float64))
    tensors = {KEYS.X: counts, KEYS.INPUT: counts.log1p()}
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
    assert table["vanished"].tolist()[1:3] == [True, True] and not table["vanished"].all()
    assert (table.sort_values("order")["reconstruction_effect"].diff().dropna() <= 0).all()
