"""Explanations of predictions as tables."""
