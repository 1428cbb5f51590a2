"""What is kept of calls: the tables, who writes and reads them, and recordings."""
