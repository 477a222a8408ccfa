from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._scoring._same_models import name_once, same_models

NAN = float("nan")


def table(**scores):
    """Scores of models in four rows of two splits and two seeds."""
    return pd.concat(
        [
            pd.DataFrame({"model": name, "split": list("aabb"), "seed": [0, 1, 0, 1], "seconds": place} | of)
            for place, (name, of) in enumerate(scores.items())
        ],
        ignore_index=True,
    )


RMSE = np.array([0.1, 0.2, 0.3, 0.4])


def test_the_same_scores_everywhere_are_one_model():
    found = table(
        a={"rmse": RMSE, "pearson": [0.5, NAN, 0.5, 0.5]},
        b={"rmse": RMSE + 1e-10, "pearson": [0.5, NAN, 0.5, 0.5]},
        differs={"rmse": RMSE + [0, 0, 0, 1e-8], "pearson": [0.5, NAN, 0.5, 0.5]},
        undefined={"rmse": RMSE, "pearson": [0.5, 0.5, 0.5, 0.5]},
        c={"rmse": RMSE, "pearson": [0.5, NAN, 0.5, 0.5]},
    )
    assert same_models(found) == [["a", "b", "c"]]
    # Rows in another order are the same rows, and those of other conditions are not
    assert same_models(found.iloc[::-1]) == [["c", "b", "a"]]
    found.loc[found["model"] == "b", "split"] = list("aabc")
    assert same_models(found) == [["a", "c"]]


@pytest.mark.parametrize("name", ["discrimination", "sign_accuracy", "de_jaccard"])
def test_ranks_and_counts_alone_tell_nothing(name):
    assert same_models(table(a={name: [1.0] * 4}, b={name: [1.0] * 4})) == []
    assert same_models(table(a={name: [1.0] * 4, "rmse": NAN}, b={name: [1.0] * 4, "rmse": NAN})) == []
    assert same_models(table(a={name: [1.0] * 4, "rmse": RMSE}, b={name: [1.0] * 4, "rmse": RMSE})) == [["a", "b"]]


def test_one_model_has_one_name_at_the_place_of_the_first():
    found = name_once(table(a={"rmse": RMSE}, x={"rmse": RMSE + 1}, b={"rmse": RMSE}))
    assert found["model"].tolist() == ["a = b"] * 4 + ["x"] * 4
    alone = table(a={"rmse": RMSE}, x={"rmse": RMSE + 1})
    pd.testing.assert_frame_equal(name_once(alone), alone)
