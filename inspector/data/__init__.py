"""Labelled images: finding, reading and splitting them. No torch, no Qt."""
