"""From a predicted change of expression to the counts of predicted cells."""
