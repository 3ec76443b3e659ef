"""Readers of the image formats, one file each."""
