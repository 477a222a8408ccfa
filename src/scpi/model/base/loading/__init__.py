"""Reading cells, and batches of them."""
