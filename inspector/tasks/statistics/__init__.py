"""What is counted about answers: intervals, thresholds, mistakes and what is true."""
