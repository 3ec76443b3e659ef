"""Training in the window: what to train on, how, and how the runs go."""
