"""How far off the predictions of a model are, from conditions that it was refitted without."""
