"""Code that several commands share: output, options, signals."""
