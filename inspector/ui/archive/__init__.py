"""The archive page: every inspected part, found, looked at, corrected and handed on."""
