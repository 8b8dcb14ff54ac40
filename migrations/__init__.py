"""Numbered SQL, a package so that the wheel carries it. Nothing here is code."""
