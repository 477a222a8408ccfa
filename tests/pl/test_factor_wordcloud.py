from __future__ import annotations

import sys

import pytest
import wordcloud

import scpi
from scpi.pl._factor_wordcloud import _STOP_WORDS, _words

pytestmark = pytest.mark.smoke("wordcloud")


def test_words_are_weighed_by_rank():
    words = _words("HALLMARK_INTERFERON_GAMMA_RESPONSE;HALLMARK_INTERFERON_ALPHA_RESPONSE", _STOP_WORDS)
    assert words == {"interferon": 1.5, "gamma": 1.0, "alpha": 0.5}
    words = _words("positive regulation of DNA binding (GO:0043388);mRNA Transport R-HSA-72163", _STOP_WORDS)
    assert words == {"DNA": 1.0, "binding": 1.0, "mRNA": 0.5, "transport": 0.5}
    assert _words("", _STOP_WORDS) == {}


def test_a_panel_for_each_factor(graph_data, monkeypatch):
    seen = []
    generate = wordcloud.WordCloud.generate_from_frequencies

    def spy(self, frequencies, **kwargs):
        seen.append(set(frequencies))
        return generate(self, frequencies, **kwargs)

    monkeypatch.setattr(wordcloud.WordCloud, "generate_from_frequencies", spy)
    adata = graph_data(5)
    adata.uns["causal_graph"]["factors"]["top_sets"] = [f"KEGG_ALPHA_{c * 5}_SIGNALING" for c in "ABCDE"]
    panels = scpi.pl.factor_wordcloud(adata, factors=["factor_1", "factor_3"], stop_words=["Alpha"], show=False)
    assert [panel.get_title().split(":")[0] for panel in panels] == ["Factor 1", "Factor 3"]
    assert seen == [{"bbbbb"}, {"ddddd"}]
    assert all(panel.images[0].get_array().std() > 0 for panel in panels)
    assert len(scpi.pl.factor_wordcloud(adata, n_panels=3, show=False)) == 3


def test_bad_choices_are_explained(graph_data):
    adata = graph_data(3)
    with pytest.raises(ValueError, match="no factor with gene sets 'x', only"):
        scpi.pl.factor_wordcloud(adata, factors="x")
    adata.uns["causal_graph"]["factors"]["top_sets"] = ""
    with pytest.raises(ValueError, match="No factor"):
        scpi.pl.factor_wordcloud(adata)


def test_a_missing_package_is_named(graph_data, monkeypatch):
    monkeypatch.setitem(sys.modules, "wordcloud", None)
    with pytest.raises(ImportError, match="pip install wordcloud"):
        scpi.pl.factor_wordcloud(graph_data(3))
