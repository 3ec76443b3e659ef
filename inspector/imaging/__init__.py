"""Image files, temperatures in them, and the one preprocessing."""
