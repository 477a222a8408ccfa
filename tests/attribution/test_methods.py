"""The list of methods."""

from __future__ import annotations

from scpi.attribution import methods


def test_every_method_is_listed():
    table = methods().set_index("method")
    assert table.index.tolist() == [
        "deeplift",
        "expected_gradients",
        "gradient",
        "guided",
        "input_x_gradient",
        "integrated_gradients",
        "occlusion",
        "smoothgrad",
    ]
    assert table.loc["integrated_gradients", "options"] == "n_steps"
    assert set(table.index[table["complete"]]) == {"deeplift", "expected_gradients", "integrated_gradients"}
    assert set(table.index[table["baseline"] == ""]) == {"gradient", "guided", "smoothgrad"}
    assert table.index[~table["signed"]].tolist() == ["guided"]
