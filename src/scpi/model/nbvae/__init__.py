"""Variational autoencoder of counts that is conditioned on covariates."""

from scpi.model.nbvae._model import NBVAE as NBVAE
