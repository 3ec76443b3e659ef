"""The image canvas shared by every page, and what is drawn on it."""
