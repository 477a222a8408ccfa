"""The training loop and what plans share."""
