"""The list of the runs, and one run while it trains."""
