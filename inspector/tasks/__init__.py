"""What a problem is: how its truth is encoded, its outputs decoded and its quality measured."""
