"""The gradient learner: data, loop, schedule, checkpoints."""
