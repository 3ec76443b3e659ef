"""The training queue, the state of its runs, and the advice before a run."""
