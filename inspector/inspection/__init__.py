"""Inspection of parts without threads: from frames to an Inspection."""
