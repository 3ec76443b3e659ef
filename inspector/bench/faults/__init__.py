"""Faults provoked on purpose, and what they cost: lost parts, doubled parts, and parts that are OK without a true frame."""
