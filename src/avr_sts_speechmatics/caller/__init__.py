"""The `call` command: a telephone without a telephone.

Plays the part of avr-core: opens a call, sends a caller's audio 20 ms at a time, listens,
and tells what was said, how quickly each turn was answered, and how it all sounded. It sees
the service from outside, through its doors, and shares nothing with it but sound files; so
it can call any other implementation of the same contract too.
"""

from avr_sts_speechmatics.caller.command import add_arguments, run_call

__all__ = ["add_arguments", "run_call"]
