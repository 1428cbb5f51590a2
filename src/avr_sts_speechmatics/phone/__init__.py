"""The simulated caller of the `call` command.

The simulated caller plays the part of avr-core: it opens a call, sends the caller's audio 20 ms at
a time, listens, and measures what was said and how quickly each turn was answered. It uses only the
service's ports and shares only sound files and the YAML reader with the product, so it can also
call any other implementation of the AVR protocol.
"""
