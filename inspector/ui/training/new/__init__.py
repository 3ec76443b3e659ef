"""New training: network, settings, start."""
