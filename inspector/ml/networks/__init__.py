"""One file a family; each has a `build`."""
