"""Effects of perturbations on mean expression, and how exactly they are known."""
