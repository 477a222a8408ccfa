"""Errors of a model's predictions, estimated from held-out conditions."""
