"""The analysis tabs: views on the same Inspection."""
