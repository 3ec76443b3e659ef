"""What `inspector bench` runs."""
