"""Settings of models, tuned on divisions of their training cells."""
