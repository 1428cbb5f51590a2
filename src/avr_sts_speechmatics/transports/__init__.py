"""The transports: each accepts calls by one protocol."""
