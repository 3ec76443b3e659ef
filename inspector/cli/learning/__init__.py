"""The commands that check data, train and evaluate."""
