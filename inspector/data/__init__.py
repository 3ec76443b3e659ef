"""Labelled images: which there are, what they hold, and how they are divided. No torch, no Qt."""
