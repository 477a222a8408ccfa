"""Saving and loading of models, without running code."""
