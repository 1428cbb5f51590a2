"""The sandbox: the vendors' cloud services on your own machine, with local engines.

One process serves three protocols on one port: Agent STT (WebSocket), text-to-speech (HTTP) and
Chat Completions (HTTP, streamed). The engines are a small recogniser, one voice and a scripted
receptionist, so the service can be tried on a telephone without a key, a network or a bill. The
sandbox carries one or two calls; it is for trying and testing, not for production.

The sandbox shares no code with the product except the receptionist. Both communicate only through
sockets, so a mistake in the product's protocol code cannot hide in shared code.
"""
