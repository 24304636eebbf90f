"""Procedural street scenes with exact labels, in two domains: ``noon`` and ``dusk``."""
