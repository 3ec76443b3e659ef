"""The way of a record from the line to the store: journal, segments, feeding."""
