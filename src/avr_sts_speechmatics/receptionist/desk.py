"""The receptionist's rules: which reply follows which words of the caller.

The rules stand in one table, `Receptionist._RULES`. The first rule that has a reply wins, so
their order matters:

    when                           because
    ------------------------------+-----------------------------------------------------------
    a tool has just run            the caller waits for its result
    nothing was said yet           the call begins with a greeting
    goodbye                        before "thank you", with which most farewells begin
    "repeat that"                  before the FAQ, which could match "repeat that"
    leave a message                before transfers: "leave a message for an operator"
    transfer                       before yes and no: "no, I want to speak to somebody"
    yes, no                        the reply depends on the question before
    a message was asked for        everything said then is the message, even numbers
    keys, digits                   a number is never a question
    cancel, book, a reference      before opening hours: appointments contain days
    opening hours                  the reply depends on the day
    the receptionist, help         before the FAQ: "who are you?" resembles "where are you?"
    the FAQ                        the entry that fits best
    a day and nothing else         people name a day to make an appointment
    small talk                     the sentence contains nothing else
    anything else                  the receptionist says what it can help with
"""

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from avr_sts_speechmatics.receptionist import entities, wording
from avr_sts_speechmatics.receptionist.faq import DAYS, Faq, Transfer
from avr_sts_speechmatics.receptionist.matching import best_entry, mentions
from avr_sts_speechmatics.receptionist.memory import Conversation

TRANSFER_TOOL = "avr_transfer"
HANGUP_TOOL = "avr_hangup"
DIGITS_TO_CONFIRM = 3


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool to run.

    name: of the tool.
    arguments: fields of the JSON object for the tool.
    """

    name: str
    arguments: Mapping[str, str]

    def arguments_json(self) -> str:
        """The arguments as JSON text, as a model sends them."""
        return json.dumps(self.arguments)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to the caller.

    text: the words, never empty.
    tool: the tool to run after the words have been played; None for no tool.
    """

    text: str
    tool: ToolRequest | None = None


class Receptionist:
    """Answers callers from a FAQ.

    faq: the content of the FAQ file.
    today: returns the current date, for "tomorrow"; None for the local date of this machine.
    """

    def __init__(self, faq: Faq, *, today: Callable[[], datetime.date] | None = None) -> None:
        self._faq = faq
        self._today = today or _local_date

    def reply(
        self, messages: Sequence[Mapping[str, Any]], tools: frozenset[str] = frozenset()
    ) -> Reply:
        """The reply to a conversation.

        messages: Chat Completions messages, oldest first; the reply is to the last message.
        tools: names of the offered tools; no other tool is requested.
        """
        talk = Conversation.of(messages, tools)
        for rule in self._RULES:
            reply = rule(self, talk)
            if reply is not None:
                return self._with_name(reply, talk)
        return Reply(self._offer_help(talk))

    @property
    def company(self) -> str:
        """Name of the company, as spoken."""
        return self._faq.company

    def faq_answer(self, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """The answer of the FAQ to the last message, in whatever language; None if it has none.

        messages: Chat Completions messages, oldest first.
        """
        entry = best_entry(Conversation.of(messages, frozenset()).said, self._faq.entries)
        return None if entry is None else entry.answer

    def _with_name(self, reply: Reply, talk: Conversation) -> Reply:
        """The reply, begun with the caller's name if the caller has just given it."""
        given = entities.name(talk.text) if talk.result is None else None
        if given is None or given in reply.text:
            return reply
        rest = reply.text.removeprefix("Thank you, ")
        return replace(reply, text=f"Thank you, {given}. {rest[0].upper()}{rest[1:]}")

    def _after_tool(self, talk: Conversation) -> Reply | None:
        if talk.result is None:
            return None
        return Reply(wording.tool_result(talk.result.tool, talk.result.failed))

    def _greeting(self, talk: Conversation) -> Reply | None:
        if talk.text:
            return None
        if talk.turns:
            return Reply(wording.pick(wording.NOT_HEARD, talk.last_answer, talk.turns))
        return Reply(wording.GREETING.format(company=self._faq.company))

    def _goodbye(self, talk: Conversation) -> Reply | None:
        nothing_else = talk.asked(wording.ANYTHING_ELSE) and wording.NO.match(talk.said)
        if not wording.GOODBYE.search(talk.said) and not nothing_else:
            return None
        name = talk.caller_name
        farewell = f"Thank you for calling, {name}. Goodbye." if name else wording.FAREWELL
        tool = ToolRequest(HANGUP_TOOL, {}) if HANGUP_TOOL in talk.tools else None
        return Reply(farewell, tool)

    def _repeat(self, talk: Conversation) -> Reply | None:
        if not wording.REPEAT.search(talk.said):
            return None
        return Reply(talk.last_answer or wording.NOTHING_TO_REPEAT)

    def _yes_or_no(self, talk: Conversation) -> Reply | None:
        if wording.YES.match(talk.said):
            return self._yes(talk)
        if wording.NO.match(talk.said) and not entities.digits(talk.text):
            return self._no(talk)
        return None

    def _yes(self, talk: Conversation) -> Reply | None:
        if talk.asked(wording.OFFER_MESSAGE):
            return Reply(wording.ASK_MESSAGE)
        if talk.asked(wording.CONFIRM_APPOINTMENT):
            return Reply(f"Good, {talk.appointment} is noted. {wording.ANYTHING_ELSE}")
        if talk.asked(wording.CONFIRM):
            number = entities.spoken(entities.digits(talk.last_answer))
            what = "to be cancelled" if talk.cancelling else "noted"
            return Reply(f"Thank you, {number} is {what}. {wording.ANYTHING_ELSE}")
        if talk.asked(wording.ANYTHING_ELSE):
            return Reply(wording.GO_AHEAD)
        return None if len(talk.said.split()) > wording.SHORT else Reply(wording.GO_AHEAD)

    def _no(self, talk: Conversation) -> Reply | None:
        if talk.asked(wording.CONFIRM_APPOINTMENT):
            corrected = entities.day(talk.text) or entities.time_of_day(talk.text)
            return None if corrected else Reply(wording.ASK_DAY_AGAIN)
        if talk.asked(wording.CONFIRM):
            return Reply(wording.ASK_NUMBER_AGAIN)
        if wording.WRONG.search(talk.said):
            return Reply(wording.WHAT_WAS_WRONG)
        if len(talk.said.split()) > wording.SHORT:
            return None
        return Reply(wording.ALL_RIGHT)

    def _keys(self, talk: Conversation) -> Reply | None:
        keys = entities.keys(talk.text)
        if not keys:
            return None
        return Reply(f"You pressed {entities.spoken(keys)}. {wording.CONFIRM}")

    def _digits(self, talk: Conversation) -> Reply | None:
        digits = entities.digits(talk.text)
        wanted = talk.asked(wording.WANTS_NUMBER) or entities.only_digits(talk.text)
        if len(digits) < (1 if wanted else DIGITS_TO_CONFIRM):
            return None
        return Reply(f"I heard {entities.spoken(digits)}. {wording.CONFIRM}")

    def _leave_message(self, talk: Conversation) -> Reply | None:
        return Reply(wording.ASK_MESSAGE) if wording.MESSAGE.search(talk.said) else None

    def _take_message(self, talk: Conversation) -> Reply | None:
        return Reply(wording.MESSAGE_NOTED) if talk.asked(wording.ASK_MESSAGE) else None

    def _transfer(self, talk: Conversation) -> Reply | None:
        only_department = len(talk.said.split()) <= wording.SHORT and any(
            mentions(talk.said, transfer.keywords[:1]) for transfer in self._faq.transfers
        )
        if not wording.TRANSFER.search(talk.said) and not only_department:
            return None
        if TRANSFER_TOOL not in talk.tools:
            return Reply(wording.CANNOT_TRANSFER)
        to = self._department(talk.said)
        arguments = {"transfer_extension": to.extension}
        farewell = f"I am putting you through to {to.department}. One moment, please."
        return Reply(farewell, ToolRequest(TRANSFER_TOOL, arguments))

    def _department(self, said: str) -> Transfer:
        transfers = self._faq.transfers
        return next((t for t in transfers if mentions(said, t.keywords)), transfers[0])

    def _cancel(self, talk: Conversation) -> Reply | None:
        if not wording.CANCEL.search(talk.said):
            return None
        if wording.APPOINTMENT.search(talk.said):
            return Reply(wording.ASK_WHICH_APPOINTMENT)
        return Reply(wording.ASK_ORDER_TO_CANCEL)

    def _order_reference(self, talk: Conversation) -> Reply | None:
        return Reply(wording.ASK_NUMBER) if wording.REFERENCE.search(talk.said) else None

    def _book(self, talk: Conversation) -> Reply | None:
        questions = (wording.ASK_DAY, wording.ASK_TIME, wording.CONFIRM_APPOINTMENT)
        asked = any(talk.asked(question) for question in questions)
        details = entities.day(talk.text) or entities.time_of_day(talk.text)
        if not wording.BOOK.search(talk.said) and not (asked and details):
            return None
        return self._appointment(talk)

    def _bare_day(self, talk: Conversation) -> Reply | None:
        return self._appointment(talk) if entities.day(talk.text) else None

    def _appointment(self, talk: Conversation) -> Reply:
        day, time = talk.appointment_day, talk.appointment_time
        if day is None:
            return Reply(wording.ASK_DAY if time is None else f"At {time}. {wording.ASK_DAY}")
        if time is None:
            return Reply(f"For {day}. {wording.ASK_TIME}")
        return Reply(f"I heard {talk.appointment}. {wording.CONFIRM_APPOINTMENT}")

    def _hours(self, talk: Conversation) -> Reply | None:
        named = entities.day(talk.text) or ("today" if wording.NOW.search(talk.said) else "")
        follow_up = named and talk.asked(wording.HOURS) and len(talk.said.split()) <= wording.SHORT
        if not wording.HOURS.search(talk.said) and not follow_up:
            return None
        today = self._today().weekday()
        ahead = wording.DAYS_AHEAD.get(named.lower())
        if ahead is not None:
            day = DAYS[(today + ahead) % 7]
            return Reply(f"{named.capitalize()} is {day.capitalize()}. {self._open_on(day)}")
        if "weekend" in talk.said:
            return Reply(f"{self._open_on('saturday')} {self._open_on('sunday')}")
        day = next((day for day in DAYS if day in talk.said), "")
        return Reply(self._open_on(day) if day else self._faq.hours_summary)

    def _open_on(self, day: str) -> str:
        opening = self._faq.hours[day]
        if opening is None:
            return f"We are closed on {day.capitalize()}."
        return f"On {day.capitalize()} we are open from {opening.opens} to {opening.closes}."

    def _faq_entry(self, talk: Conversation) -> Reply | None:
        entry = best_entry(talk.said, self._faq.entries)
        return None if entry is None else Reply(entry.answer)

    def _about_me(self, talk: Conversation) -> Reply | None:
        return self._first_match(wording.ABOUT_ME, talk)

    def _small_talk(self, talk: Conversation) -> Reply | None:
        name = entities.name(talk.text)
        if name:
            return Reply(f"Thank you, {name}. How can I help you?")
        return self._first_match(wording.SMALL_TALK, talk)

    def _first_match(self, table: wording.Answers, talk: Conversation) -> Reply | None:
        for pattern, answer in table:
            if pattern.search(talk.said):
                return Reply(answer.format(company=self._faq.company, topics=self._topics))
        return None

    def _offer_help(self, talk: Conversation) -> str:
        offers = [offer.format(topics=self._topics) for offer in wording.UNKNOWN]
        return wording.pick(offers, talk.last_answer, talk.turns)

    @property
    def _topics(self) -> str:
        topics = [entry.topic for entry in self._faq.entries if entry.topic]
        return f"{', '.join(['our opening hours', *topics[:2]])} or an appointment"

    _RULES: ClassVar[tuple[Callable[["Receptionist", Conversation], Reply | None], ...]] = (
        _after_tool,
        _greeting,
        _goodbye,
        _repeat,
        _leave_message,
        _transfer,
        _yes_or_no,
        _take_message,
        _keys,
        _digits,
        _cancel,
        _book,
        _order_reference,
        _hours,
        _about_me,
        _faq_entry,
        _bare_day,
        _small_talk,
    )


def _local_date() -> datetime.date:
    return datetime.datetime.now().astimezone().date()
