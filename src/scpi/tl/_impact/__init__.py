"""Numeric core of gene-set impact: arrays in and out, without AnnData."""
