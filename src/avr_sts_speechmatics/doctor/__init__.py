"""The doctor: checks everything that a call needs, and says what to do about problems."""

from avr_sts_speechmatics.doctor.check import Check
from avr_sts_speechmatics.doctor.examination import examine
from avr_sts_speechmatics.doctor.summary import summary

__all__ = ["Check", "examine", "summary"]
