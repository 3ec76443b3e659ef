"""Child processes: starting them, exchanging messages, and interpreting how they end."""
