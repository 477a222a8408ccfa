"""What the posterior of cells says of their expression, as scvi-tools names it."""
