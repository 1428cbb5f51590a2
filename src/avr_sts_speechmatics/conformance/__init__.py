"""Conformance: plays avr-core against any AVR speech-to-speech service and says what holds.

The checks use the service's ports and nothing of this product but its sound files, so that authors
of other connectors can use them. docs/conformance.md defines each line with its reason.
"""
