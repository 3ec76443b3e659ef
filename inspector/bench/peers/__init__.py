"""Training beside other programs' training: the same images, the same processor time, the same judge."""
