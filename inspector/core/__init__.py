"""The domain's vocabulary: plain data, settings, messages and the tables of what can be chosen."""
