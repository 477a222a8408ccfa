"""Formulas as MathML, which browsers draw and screen readers read without a script, a font or a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula of a line."""
    translator.body.append(convert(node.astext()))
    raise SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own lines, which scrolls where it is wider than the page."""
    start = translator.starttag(node, "div", CLASS="math")
    translator.body.append(f"{start}{convert(node.astext(), display='block')}</div>\n")
    raise SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer by the name `mathml`."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
