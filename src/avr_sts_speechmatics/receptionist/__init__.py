"""A scripted receptionist: rules, a small FAQ file and fuzzy matching, no model and no cloud.

The receptionist answers common questions at a front desk and says plainly that it is a machine.
It replaces a language model where there is none (the sandbox, a demonstration, a test). Its input
is the input of a model, Chat Completions messages and the names of the offered tools; its output
is one or two sentences and at most one tool call.

The receptionist has no state: equal messages on the same day get equal replies, and everything it
remembers is in the messages.
"""

from avr_sts_speechmatics.receptionist.desk import Receptionist, Reply, ToolRequest
from avr_sts_speechmatics.receptionist.faq import Faq, FaqError, load_faq
from avr_sts_speechmatics.receptionist.outcome import filled, messages_of

__all__ = [
    "Faq",
    "FaqError",
    "Receptionist",
    "Reply",
    "ToolRequest",
    "filled",
    "load_faq",
    "messages_of",
]
