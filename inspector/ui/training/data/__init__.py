"""New training, first step: the labelled images."""
