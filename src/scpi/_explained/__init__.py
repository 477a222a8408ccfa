"""What a predicted change is made of: parts that add up to it, and how much of that is more than chance."""
