"""Data as text: names, paths and messages must never become Markdown, which can load pictures from anywhere."""

from __future__ import annotations

_SPECIAL = frozenset("\\`*_{}[]<>#+!|$~:")


def escape(text: str) -> str:
    """Put a backslash before whatever Markdown or Streamlit's own directives would read as markup."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in text)
