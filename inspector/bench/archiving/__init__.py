"""Benchmarks of the archive."""
