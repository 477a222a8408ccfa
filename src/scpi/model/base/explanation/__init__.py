"""What predictions are made of: the hook that models answer."""
