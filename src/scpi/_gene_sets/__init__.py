"""Gene sets: reading them, matching them to measured genes, and storing them in an AnnData."""

from __future__ import annotations

from scpi._gene_sets._id_map import read_id_map
from scpi._gene_sets._match import Match, match_gene_sets
from scpi._gene_sets._parse import parse_gene_sets
from scpi._gene_sets._slot import read_gene_sets, write_gene_sets

__all__ = ["Match", "match_gene_sets", "parse_gene_sets", "read_gene_sets", "read_id_map", "write_gene_sets"]
