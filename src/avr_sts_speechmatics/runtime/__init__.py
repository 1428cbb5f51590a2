"""Python for the whole process: task groups that are freed at once, collector stops."""
