"""An autoencoder whose units are gene programs."""

from scpi.model.gene_program._model import GeneProgramAE

__all__ = ["GeneProgramAE"]
