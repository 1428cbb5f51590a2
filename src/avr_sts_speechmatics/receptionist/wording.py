"""Patterns for the caller's words, and the receptionist's sentences.

Patterns are for plain text (lower case, no punctuation, contractions written out). Sentences
are spoken by any TTS: short, no lists, no abbreviations, numbers as words. A question on which a
later reply depends is a constant, so that the question can be recognised in the history.
"""

import re
from collections.abc import Sequence

Answers = Sequence[tuple[re.Pattern[str], str]]
"""Pairs of a pattern and its reply. A reply may contain {company} and {topics}."""

GREETING = "Hello, this is the automated receptionist of {company}. How can I help you?"
FAREWELL = "Thank you for calling. Goodbye."
ANYTHING_ELSE = "Is there anything else?"
CONFIRM = "Is that right?"
CONFIRM_APPOINTMENT = "Shall I note that?"
GO_AHEAD = "Please go ahead, I am listening."
ALL_RIGHT = f"All right. {ANYTHING_ELSE}"
NOTHING_TO_REPEAT = "I have not said anything yet. How can I help you?"
WHAT_WAS_WRONG = "I am sorry about that. What did I get wrong?"

ASK_NUMBER = "Please tell me the number, digit by digit."
ASK_NUMBER_AGAIN = "I am sorry. Please tell me the number again, digit by digit."
ASK_ORDER_TO_CANCEL = "I can note that. What is the order reference, digit by digit?"
ASK_WHICH_APPOINTMENT = "I can note that. What is the telephone number you booked with?"
ASK_DAY = "Which day would suit you for the appointment?"
ASK_DAY_AGAIN = f"I am sorry. {ASK_DAY}"
ASK_TIME = "At what time would you like to come?"
WANTS_NUMBER = re.compile(r"\b(reference|number|digit)\b", re.IGNORECASE)

ASK_MESSAGE = "Please tell me your message now, with your name and number."
MESSAGE_NOTED = f"Thank you, I have noted your message. {ANYTHING_ELSE}"
OFFER_MESSAGE = "Would you like to leave a message?"
CANNOT_TRANSFER = f"I am sorry, I cannot transfer calls on this line. {OFFER_MESSAGE}"
TRANSFER_FAILED = f"I am sorry, the transfer did not work. {OFFER_MESSAGE}"

NOT_HEARD = (
    "I am sorry, I did not hear you.",
    "Are you still there? Please say that again.",
)
UNKNOWN = (
    "I am sorry, I have no answer to that. I can tell you about {topics}.",
    "That is more than I know. Ask me about {topics}, or ask for an operator.",
    "I did not understand that. You could ask me about {topics}.",
)

YES = re.compile(
    r"(yes|yeah|yep|yup|sure|correct|right|okay|ok|of course|please do|exactly|absolutely"
    r"|that is (right|correct|fine))\b"
)
NO = re.compile(r"(no|nope|nah|not really|wrong|that is (not|wrong))\b")
WRONG = re.compile(r"\b(not (right|correct|true|what i)|wrong|incorrect)\b")
SHORT = 4
"""Most words of a sentence that is only a yes or a no; a longer sentence asks for more."""

GOODBYE = re.compile(
    r"\b(good ?bye|bye|see you|have a (nice|good|lovely) (day|one|evening|weekend))\b"
    r"|\bthat is (all|it|everything)\b|\bnothing else\b|\b(hang up|end the call)\b"
)
REPEAT = re.compile(
    r"\brepeat\b(?! (my|an|the|this) order)|\bsay (that|it) (again|once more)\b|\bcome again\b"
    r"|\b(pardon|beg your pardon)\b|\bwhat did you say\b"
    r"|\bdid not (catch|hear|get|understand) (you|that|it|what)\b|^(sorry|what|excuse me)$"
)
MESSAGE = re.compile(
    r"\b(leave|leaving|take|record) (you )?(a|my|the) (voice )?message\b|\bvoicemail\b"
    r"|\bcall (me|us) back\b"
)
_PERSON = r"(operator|human|person|representative|agent|someone|somebody|supervisor|manager)"
_PLACE = r"(department|team|desk|office|support)"
TRANSFER = re.compile(
    r"\b(transfer|connect|patch) (me|us|my call|this call|the call)\b|\b(me|us) through\b"
    r"|\b(speak|talk) (to|with) (?!you\b)"
    r"|\b(want|need|like|get|try|give me|prefer|is there|have) (an? |some |any |the )?(\w+ )?"
    rf"{_PERSON}\b"
    rf"|\b(want|need|like|get|give me) (the )?(\w+ ){{1,2}}{_PLACE}\b"
    rf"|^(an? |the )?(\w+ )?{_PERSON}( please)?$|^(the )?(\w+ ){{1,2}}{_PLACE}( please)?$"
)
CANCEL = re.compile(r"\b(cancel|cancell?ing|cancellation|call off)\b")
APPOINTMENT = re.compile(r"\b(appointment|booking|visit|reservation)\b")
BOOK = re.compile(
    r"\b(appointments?|bookings?|reservations?|reschedule)\b|\b(book|reserve) (an?|in|me|the|for)\b"
)
REFERENCE = re.compile(r"\b(order|reference|booking|customer|account) (reference|number)\b")
HOURS = re.compile(
    r"\b(open|opened|opens|opening|close|closed|closes|closing|hours|shut)\b(?! account)"
)
NOW = re.compile(r"\b(now|tonight|this (morning|afternoon|evening))\b")
DAYS_AHEAD = {"today": 0, "tomorrow": 1, "the day after tomorrow": 2}

ABOUT_ME: Answers = (
    (
        re.compile(
            r"\b(are you (a |an )?(\w+ )?(robot|machine|human|person|computer|bot|ai)"
            r"|who are you|what are you|your name|who is this|am i (talking|speaking) to)\b"
        ),
        "I am the automated receptionist of {company}, a simple script and not a person.",
    ),
    (
        re.compile(r"^(is this|have i reached|am i right)\b"),
        "This is the automated receptionist of {company}. How can I help you?",
    ),
    (
        re.compile(r"\b(help me( please)?$|what can (you|i) (do|ask|say)|options)\b"),
        "I can tell you about {topics}, and take a message. What would you like?",
    ),
    (re.compile(r"^(um+|uh+|erm?|h+m+|mhm|ah|oh|well)$"), "Take your time, I am listening."),
    (re.compile(r"^(please )?(stop|stop it|quiet|be quiet|shut up)( please)?$"), ALL_RIGHT),
    (
        re.compile(r"\b(can you hear me|are you (still )?there|(any|some)(body|one) there)\b"),
        "Yes, I can hear you. How can I help you?",
    ),
    (
        re.compile(r"\bhow are you\b"),
        "I am a machine, so always the same, thank you. How can I help you?",
    ),
)

SMALL_TALK: Answers = (
    (re.compile(r"\b(thanks|thank you|cheers)\b"), f"You are welcome. {ANYTHING_ELSE}"),
    (re.compile(r"\b(never mind|forget it|no problem)\b"), ALL_RIGHT),
    (
        re.compile(r"^(hello|hi|hey|good (morning|afternoon|evening|day))\b"),
        "Hello. How can I help you?",
    ),
)


def tool_result(tool: str, failed: bool) -> str:
    """The sentence for the result of a tool."""
    match tool, failed:
        case "avr_transfer", False:
            return "You are being connected now."
        case "avr_transfer", True:
            return TRANSFER_FAILED
        case "avr_hangup", False:
            return "Goodbye."
        case "avr_hangup", True:
            return "I am sorry, I could not end the call. You can simply hang up. Goodbye."
        case _, False:
            return f"That is done. {ANYTHING_ELSE}"
        case _:
            return f"I am sorry, that did not work. {ANYTHING_ELSE}"


def pick(options: Sequence[str], last_answer: str, turns: int) -> str:
    """One of the options, different from the last answer.

    options: sentences.
    last_answer: as the caller heard it; may be cut.
    turns: number of answers so far.
    """
    chosen = turns % len(options)
    # An answer that was cut still has its beginning.
    if last_answer and options[chosen].startswith(last_answer[:20]):
        chosen = (chosen + 1) % len(options)
    return options[chosen]
