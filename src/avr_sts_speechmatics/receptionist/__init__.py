"""A scripted receptionist: rules, a small FAQ file and fuzzy matching, no model and no cloud.

It answers what callers ask a front desk and says plainly that it is a machine. It stands in
for a language model where there is none (the sandbox, a demonstration, a test), so it takes
what a model takes, Chat Completions messages and the names of the offered tools, and gives
what a model gives: a sentence or two, and at most one tool call.

It is pure: the same messages on the same day get the same reply, and all it remembers is in
the messages.
"""

from avr_sts_speechmatics.receptionist.desk import Receptionist, Reply, ToolRequest
from avr_sts_speechmatics.receptionist.faq import Faq, FaqError, load_faq

__all__ = ["Faq", "FaqError", "Receptionist", "Reply", "ToolRequest", "load_faq"]
