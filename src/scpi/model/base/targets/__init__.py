"""Latent units and attribution targets of models, those of scvi-tools included."""
