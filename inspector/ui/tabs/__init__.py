"""The four analysis tabs: views on the same Inspection."""
