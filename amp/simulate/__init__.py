"""Worlds whose truth is known, and policies that try to do well in them on the same luck."""
