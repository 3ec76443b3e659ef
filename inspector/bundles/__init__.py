"""Trained networks on disk: the bundle, its variants and their status, and the reference images."""
