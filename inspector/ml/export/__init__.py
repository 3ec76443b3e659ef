"""From trained weights to graphs and variants, and the parity check each must pass."""
