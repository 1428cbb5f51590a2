"""Foundations of every connection to a peer: WebSocket, proxies, waits, errors, decoding."""
