from __future__ import annotations

import json

from scpi.benchmark.grid import StudyResult, TuningResult


def test_plain_data(tiny, tmp_path):
    best = {"trial": 3, "settings": {"train.lr": 0.1}, "values": {"rmse": 0.5}}
    counts = {"complete": 4, "pruned": 0, "fail": 0, "running": 0}
    names = {"model": "m", "data": "d", "scheme": "s", "split": "x", "name": "m, d, s without x [0]"}
    study = StudyResult(**names, counts=counts, front=(best,))
    found = TuningResult(
        out=tmp_path, storage="sqlite:///study.db", studies=(study,), grid=tiny(), file=tmp_path / "best.yaml"
    )
    assert json.loads(json.dumps(found.to_dict())) == {
        "out": str(tmp_path),
        "storage": "sqlite:///study.db",
        "grid": str(tmp_path / "best.yaml"),
        "studies": [names | {"counts": counts, "front": [best]}],
    }
