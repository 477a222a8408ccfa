from __future__ import annotations

import pytest

from scpi._unknown import keywords, nearest, refuse_unknown

KNOWN = ["n_latent", "n_hidden", "lr"]


def test_what_is_known_passes():
    refuse_unknown([], [], owner="Model", kind="setting")
    refuse_unknown(["lr", "n_latent"], KNOWN, owner="Model", kind="setting")


def test_the_nearest_spelling_is_named():
    with pytest.raises(
        TypeError, match=r"^`Model` has no setting 'n_latents'\. Did you mean 'n_latent'\? There are: lr, "
    ):
        refuse_unknown(["lr", "n_latents"], KNOWN, owner="Model", kind="setting")


def test_nothing_is_named_where_nothing_is_near():
    with pytest.raises(TypeError, match=r"^`Model` has no argument 'zzz'\. There are: lr, n_hidden, n_latent\.$"):
        refuse_unknown(["zzz"], KNOWN, owner="Model", kind="argument")


def test_keywords_are_those_of_all_functions_without_the_object():
    class Host:
        def one(self, a, /, b, *args, c=1, **kwargs):
            pass

    def other(d):
        pass

    assert keywords(Host.one, other) == {"b", "c", "d"}


def test_the_nearest_spelling_is_a_sentence_of_a_message():
    assert nearest("n_latents", KNOWN) == " Did you mean 'n_latent'?"
    assert nearest("zzz", KNOWN) == ""
