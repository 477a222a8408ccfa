"""Conformal inference from conditions that were left out: intervals, how sure a prediction is, and p-values."""
