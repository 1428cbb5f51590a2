"""One call: its tasks, its answers, and what is observed of it."""
