"""Tool tips with names from elsewhere: of files, parts, classes."""

from html import escape


def plain_tip(text: str) -> str:
    """Return the tip that shows a text as it is. Qt takes a name with tags in it for rich text, and opens its pictures."""
    return f"<qt>{escape(text).replace(chr(10), '<br>')}</qt>" if "<" in text else text
