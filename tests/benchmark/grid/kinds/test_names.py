from __future__ import annotations

from scpi.benchmark.grid._kinds._names import Accuracy, accuracy_of, check_clustering, check_programs


def test_an_accuracy_is_named_by_ranking_and_depth():
    assert accuracy_of("sparse_decoder@all") == Accuracy("sparse_decoder", None)
    assert accuracy_of("t-test_overestim_var@30") == Accuracy("t-test_overestim_var", 30)
    assert accuracy_of("ari") is None and accuracy_of("gradient@0") is None and accuracy_of("@3") is None


def test_presets_stand_for_metrics_and_names_are_given_once():
    assert check_clustering(["ari", "honest", "gradient@5"])[:2] == ["ari", "nmi"]
    assert check_clustering("published")[2:5] == ["gradient@30", "gradient@100", "gradient@all"]
    assert check_programs(None) == ["lms", "msas", "msgs", "lms_smi", "mig", "auroc", "loglik"]
    assert check_programs("honest") == ["lms", "msgs", "auroc", "loglik"]
