"""The application window around the pages: rail, theme, settings, keys, language."""
