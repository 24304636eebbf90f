"""Pixel-level cycle association."""
