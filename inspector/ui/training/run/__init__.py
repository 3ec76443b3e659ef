"""The list of runs, and the view of a run in training."""
