"""Labelling whole images by hand."""
