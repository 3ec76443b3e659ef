"""A training run as plain data: its settings, its folder and its report."""
