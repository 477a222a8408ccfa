"""Predicted cells, and the profiles and shifts that they are made from."""
