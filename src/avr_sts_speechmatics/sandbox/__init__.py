"""The cloud on your own machine: the vendors' wire protocols, local engines behind them.

One process, one port, three protocols: Agent STT (WebSocket), text-to-speech (HTTP) and
Chat Completions (HTTP, streamed). Behind them stand a small recogniser, one voice and a
scripted receptionist, so the real service can be tried on a telephone without a key, a
network or a bill. It carries one or two calls; it is for trying and testing, not for callers.

It shares no code with the product except the receptionist: they meet on the wire, so the
product cannot agree with a sandbox that has the same mistake in it.
"""
