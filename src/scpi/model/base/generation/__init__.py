"""Cells drawn from models of counts: of groups that were not measured, and of measured cells under other covariates."""
