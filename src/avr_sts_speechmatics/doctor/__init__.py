"""The doctor: is everything there that a call needs, and if not, what to do."""

from avr_sts_speechmatics.doctor.check import Check
from avr_sts_speechmatics.doctor.examination import examine
from avr_sts_speechmatics.doctor.summary import summary

__all__ = ["Check", "examine", "summary"]
