"""What the tasks of a grid ask of a model: one file each."""
