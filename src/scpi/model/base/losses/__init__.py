"""Losses that several modules share."""
