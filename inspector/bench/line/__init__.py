"""Benchmarks of the line: engines, pipeline, latency and what runs beside it."""
