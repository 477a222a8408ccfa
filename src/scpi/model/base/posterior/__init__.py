"""Expression of cells by the posterior of their latent units, with the names of scvi-tools."""
