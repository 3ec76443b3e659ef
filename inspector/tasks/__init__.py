"""Tasks: how truth is encoded, outputs are decoded and quality is measured."""
