"""The score of a prediction: what every function that scores one calls, so that one name is one number."""
