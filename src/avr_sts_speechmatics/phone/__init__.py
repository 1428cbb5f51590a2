"""The caller that the `call` command plays: a telephone without a telephone.

Plays the part of avr-core: opens a call, sends a caller's audio 20 ms at a time, listens, and
measures what was said and how quickly each turn was answered. It sees the service from outside,
through its ports, and shares only sound files and the reading of YAML with the product: so it can
call any other implementation of the same protocol too.
"""
