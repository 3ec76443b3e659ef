"""Storage of inspections: records, overlays, the saved folder and its report."""
