"""Whose turn it is. Pure: no I/O, no tasks, no clock of its own."""
