"""A finished run: metrics, errors, comparison, use in a recipe."""
