"""The commands that check, import, export and tune bundles."""
