"""Public data sets in the layout they are published in."""
