"""What several commands share: output, options, signals."""
