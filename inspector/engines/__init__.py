"""Inference engines that run a bundle's graph."""
