"""Export of trained weights to graphs and variants, with the parity check of each."""
