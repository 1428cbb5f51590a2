"""Samples and time."""
