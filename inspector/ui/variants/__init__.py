"""Variants of a bundle and auto-tune."""
