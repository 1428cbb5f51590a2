"""Admission: whether the service can take one more call now, and why not.

A call is refused before anything is done for it, so that running calls do not notice. The reasons
are the service's own state, a full count of calls, STT sessions that are used up, file descriptors
that are used up, and an event loop that is late (`admission`).
"""
