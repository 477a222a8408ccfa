"""Explanations of predictions: the hook that models implement."""
