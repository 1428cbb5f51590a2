"""Recordings: both sides of a call in a file, caller left, agent right."""
