"""Files that must survive: where they lie, how they are locked, written durably and versioned."""
