"""Child processes: how they are started, spoken to and judged when they end."""
