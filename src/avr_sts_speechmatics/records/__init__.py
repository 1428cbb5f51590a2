"""Records of calls: the tables, the writer, the reader, and recordings."""
