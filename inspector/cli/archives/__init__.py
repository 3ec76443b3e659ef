"""The commands of the archive."""
