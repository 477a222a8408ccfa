from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.font_manager import findfont

from scpi._changes import among
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._optional import import_extra
from scpi._sequence import as_list
from scpi._slots import read_result
from scpi.pl._figure import (
    finish_panels,
    note_part,
    panel_grid,
    shorten,
    some_names,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

# Words in names of gene sets that denote the collection, or that many sets have in common
_STOP_WORDS = frozenset(
    """
    a activation activity an and biocarta biological by cell cellular dn down during expression for from function
    gene genes go gobp gocc gomf hallmark hsa in induced into involved involving kegg mediated metabolic module
    negative of on or pathway pathways pid positive process processes protein proteins reaction reactions reactome
    regulated regulation regulator response set signal signaling signalling system target targets the to up v1 v2
    via with wp
    """.split()  # noqa: SIM905 (a list of 68 quoted words is hard to read)
)
_ACCESSION = re.compile(r"\(?\b(GO:\d+|R-[A-Z]{3}-\d+)\)?")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#444444")


@fill
def factor_wordcloud(
    data: AnnData | MuData,
    *,
    factors: Sequence[str] | str | None = None,
    n_panels: int = 6,
    n_words: int = 30,
    stop_words: Iterable[str] | str = (),
    key: str = Key.uns.CAUSAL_GRAPH,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw a word cloud of the names of the gene sets of each causal factor.

    A word has weight 1 in the first set of a factor, 1/2 in the second, 1/3 in the third, and so on. This needs the
    package `wordcloud`.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.causal_graph` has been run on it.
    factors
        Factors to draw; if `None`, those that the most perturbations act on.
    n_panels
        Maximum number of factors to draw if `factors=None`.
    n_words
        Maximum number of words per cloud.
    stop_words
        Words to omit, in addition to common words of gene set names ("regulation", "pathway").
    %(result_key)s
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    ImportError
        If the package `wordcloud` is not installed.
    %(result_KeyError)s
    ValueError
        If a factor is unknown or has no gene sets, no factor has gene sets, or `ax` is given for several factors.
    """
    adata = resolve_modality(data, mod)
    wordcloud = import_extra("wordcloud")
    table = read_result(adata, key, tool=Key.uns.CAUSAL_GRAPH, part="factors")["factors"].set_index("factor")
    omitted = _STOP_WORDS | {word.lower() for word in as_list(stop_words)}
    words = {str(factor): _words(sets, omitted) for factor, sets in table["top_sets"].items()}
    ranked = table["n_targets"].sort_values(ascending=False, kind="stable").index
    with_words = [str(factor) for factor in ranked if words[str(factor)]]
    if not with_words:
        msg = f"No factor in `adata.uns[{key!r}]` has gene sets with words to draw."
        raise ValueError(msg)
    chosen = with_words[:n_panels] if factors is None else among(with_words, factors, "factor with gene sets")
    with style():
        figure, panels = panel_grid(len(chosen), ax, figsize, size=(2.36, 1.75), n_columns=3)
        for panel, factor in zip(panels, chosen, strict=True):
            cloud = wordcloud.WordCloud(
                width=900, height=560, background_color="white", max_words=n_words, random_state=0, prefer_horizontal=1.0,
                relative_scaling=0.5, margin=6, color_func=_colour, normalize_plurals=False,
                font_path=findfont("DejaVu Sans"), min_font_size=38, max_font_size=150,
            ).generate_from_frequencies(words[factor])  # fmt: skip
            panel.imshow(cloud.to_array(), interpolation="bilinear")
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set(color="#CCCCCC")
            hit = [part for part in str(table.loc[factor, "targets"]).split(";") if part]
            suffix = f": {some_names(hit, 2)}" if hit else ""
            panel.set_title(shorten(f"{factor.replace('_', ' ').capitalize()}{suffix}", 34))
        if factors is None:
            note_part(figure if ax is None else ax, (len(chosen), len(with_words), "factors with gene sets"))
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _words(sets: Any, omitted: frozenset[str]) -> dict[str, float]:
    """Compute the weights of the words in the names of sets, which semicolons separate."""
    weight: dict[str, float] = {}
    spelling: dict[str, str] = {}
    for rank, name in enumerate((part for part in str(sets).split(";") if part), start=1):
        text = _ACCESSION.sub(" ", name.replace("_", " "))
        # In all-uppercase names, abbreviations cannot be distinguished from words
        tokens = re.findall(r"[A-Za-z][A-Za-z0-9-]*", text.lower() if text.isupper() else text)
        for word in {word.lower(): word for word in tokens}.values():
            if word.lower() not in omitted and len(word) > 1:
                shown = spelling.setdefault(word.lower(), word if not word.istitle() else word.lower())
                weight[shown] = weight.get(shown, 0.0) + 1.0 / rank
    return weight


def _colour(word: str, **_: Any) -> str:
    # A word has the same colour in all clouds
    return _COLOURS[int(np.frombuffer(word.encode().ljust(4, b" ")[:4], dtype=np.uint8).sum()) % len(_COLOURS)]
