"""The timers of a call. `events` has them as `events.Timer`."""

from enum import Enum


class Timer(Enum):
    """The timers of a call, each with the question it answers. One of each kind runs at a time."""

    CONFIRM = "sound while the agent speaks: are there words?"
    OVERDUE = "words were settled, and the end of their turn never came"
    FILLER = "the answer is slow: should the caller be told?"
    NO_INPUT = "the caller says nothing: should they be asked?"
    MAX_CALL = "the call has lasted long enough"
    PATIENCE = "nobody listens for a moment: should the caller be told?"
    KEYS = "the caller types digits: is that all?"
    SETTLE = "no more audio comes: is everything answered?"
    DICTATION = "the caller is in the middle of a number or a sentence: is more to come?"
    EDGE = "few words over the agent: did they come at the end of what it says?"
    ECHO = "the agent has just spoken: does the line still return its voice?"
    CLOSING = "the call must end: is the sentence that is being said over?"
    FAREWELL = "the last word is on its way to the ear"
