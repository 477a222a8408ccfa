"""Guards of a benchmark: leaks between its cells, and predictions that are made for the score alone."""
