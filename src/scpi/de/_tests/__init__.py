"""The tests behind `scpi.de.rank_genes`, one a file: a file that defines `METHOD` is a test."""
