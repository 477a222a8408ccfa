"""Predicted cells, and the profiles and latent shifts that predictions use."""
