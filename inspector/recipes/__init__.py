"""Recipes: what is inspected, how, and what counts as good."""
