"""The benchmark: what the service itself costs, with clouds that take no time of their own.

Synthetic services speak the vendors' wire protocols, tone in and tone out; synthetic callers
hold real conversations in real time. All of them live in this process, on their own core, and
share one clock, so what the service adds is measured to the fraction of a millisecond. Every
frame carries a signature: that each call gets all of its own audio and nobody else's is not
assumed but checked.

    python -m bench --calls 100 --seconds 20
"""
