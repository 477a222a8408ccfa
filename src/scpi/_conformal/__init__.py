"""Conformal inference from held-out conditions: intervals, confidence and p-values of predictions."""
