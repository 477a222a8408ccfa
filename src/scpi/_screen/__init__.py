"""A perturbation dataset, below every room: labels, conditions and doses, splits, and how a matrix is read."""
