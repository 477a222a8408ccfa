"""Kinds of tasks of a grid, one file each."""
