"""The demo line: simulated cameras that render parts with known defects."""
