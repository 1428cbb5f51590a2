"""What every connection to a peer shares: WebSocket, proxies, waits, errors, decoding."""
