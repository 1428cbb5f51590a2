"""DTMF: the digits that a telephone can send. [ITU-T Q.23]"""

KEYS = frozenset("0123456789*#ABCD")
