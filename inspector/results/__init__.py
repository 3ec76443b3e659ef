"""What is kept of an inspection: records, overlays, the saved folder and its report."""
