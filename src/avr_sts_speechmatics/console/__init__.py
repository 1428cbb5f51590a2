"""The API over calls: what is kept of them, and those that are running."""
