"""The image canvas shared by every page, and its overlays."""
