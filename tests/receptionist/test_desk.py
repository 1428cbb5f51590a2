"""The receptionist's answers to callers."""

import datetime
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.receptionist import Receptionist, Reply, ToolRequest, load_faq

MONDAY = datetime.date(2026, 11, 23)
TOOLS = frozenset({"avr_transfer", "avr_hangup"})
DESK = Receptionist(load_faq(None), today=lambda: MONDAY)
QUEUE = "Your call is now first in line and will be answered by the next available representative."


class Call:
    """A call with the receptionist in which all answers are played to the end."""

    def __init__(self, tools: frozenset[str] = TOOLS) -> None:
        self.tools = tools
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}]

    def says(self, text: str) -> Reply:
        self.messages.append({"role": "user", "content": text})
        reply = DESK.reply(self.messages, self.tools)
        self.messages.append({"role": "assistant", "content": reply.text})
        return reply

    def answer(self, text: str) -> str:
        return self.says(text).text


@pytest.mark.parametrize(
    ("said", "in_the_answer"),
    [
        ("What are your opening hours on Saturday?", "Saturday we are open from ten"),
        ("when do you close on Sundays?", "closed on Sunday"),
        ("What time do you close?", "nine to five"),
        ("Are you open tomorrow morning?", "Tomorrow is Tuesday"),
        ("Are you open at the weekend?", "closed on Sunday"),
        ("Are you open now?", "Today is Monday"),
        ("I'd like to book an appointment for next Tuesday at half past three.",
         "next Tuesday at half past three"),
        ("I want to cancel my order.", "order reference"),
        ("I need to cancel my appointment", "telephone number"),
        ("The order reference is five five three, eight eight two.",
         "five five three, eight eight two. Is that right?"),
        ("The order reference is 553-882.", "five five three, eight eight two. Is that right?"),
        ("[keys: 1 2 3]", "one two three"),
        ("No, that is not correct.", "sorry"),
        ("I am sorry, that's not a valid extension.  Please try again.", "extension"),
        ("I'm sorry, that is not a valid extension. Please try again.", "extension"),
        ("The number is not answering.", "nobody is answering"),
        ("Please hold while we try to connect you.", "hold"),
        ("Your call is now first in line.", "I will wait"),
        (QUEUE, "I will wait"),
        ("Press 5 to leave a message", "your message"),
        ("Can I leave a message for the manager?", "your message"),
        ("How much is a repair?", "pounds"),
        ("Where are you?", "River Street"),
        ("Where can I park?", "parking"),
        ("Do you take credit cards?", "card"),
        ("Where's my parcel?", "working days"),
        ("Is my repair ready?", "order reference"),
        ("Can I get my money back?", "thirty days"),
        ("I have a question about my bill", "invoice"),
        ("Are you a robot?", "script and not a person"),
        ("Who are you?", "automated receptionist"),
        ("My name is Anna Smith.", "Thank you, Anna Smith."),
        ("Hello?", "Hello"),
        ("Thanks a lot.", "welcome"),
        ("Can you help me?", "opening hours"),
        ("Umm.", "Take your time"),
        ("Next Monday.", "next Monday. At what time"),
        ("It's for Tuesday at 4pm.", "Tuesday at 4pm"),
        ("Is this Riverside Repairs?", "This is the automated receptionist"),
        ("Call me back, please.", "your message"),
        ("Hi, my name is John.", "Thank you, John. How can I help you?"),
        ("What's the weather like?", "opening hours"),
    ],
)  # fmt: skip
def test_the_answer_fits_the_question(said: str, in_the_answer: str) -> None:
    reply = Call().says(said)
    assert in_the_answer in reply.text
    assert reply.tool is None


@pytest.mark.parametrize(
    ("said", "extension"),
    [
        ("Please transfer me to an operator.", "1000"),
        ("Put me through to the sales department.", "1001"),
        ("for me through to the sales department.", "1001"),
        ("Can I speak to a human?", "1000"),
        ("I want to talk to somebody, please.", "1000"),
        ("Could you connect me with technical support?", "1002"),
        ("I'd like to speak to accounts", "1003"),
        ("Operator, please.", "1000"),
        ("Sales.", "1001"),
        ("No, I want to speak to a real person!", "1000"),
    ],
)
def test_a_transfer_has_a_farewell_and_the_extension(said: str, extension: str) -> None:
    reply = Call().says(said)
    assert reply.tool == ToolRequest("avr_transfer", {"transfer_extension": extension})
    assert reply.text.startswith("I am putting you through to")


def test_a_line_that_cannot_transfer_says_so_and_takes_a_message() -> None:
    call = Call(frozenset())
    reply = call.says("Please transfer me to an operator.")
    assert reply.tool is None
    assert "cannot transfer" in reply.text
    assert "your message" in call.answer("Yes, please.")
    assert "noted your message" in call.answer("Bob here, on 0 7 9 9 1 2 3, it's the sink.")


@pytest.mark.parametrize(
    "said", ["That's all, thank you. Goodbye.", "That's all. Thank you. Goodbye.", "Bye!"]
)
def test_goodbye_hangs_up_if_the_tool_is_offered(said: str) -> None:
    assert Call().says(said) == Reply(
        "Thank you for calling. Goodbye.", ToolRequest("avr_hangup", {})
    )
    assert Call(frozenset()).says(said) == Reply("Thank you for calling. Goodbye.")


def test_a_call_begins_with_a_greeting() -> None:
    greeting = DESK.reply([{"role": "system", "content": "Be brief."}]).text
    assert greeting.startswith("Hello, this is the automated receptionist")


def test_a_number_is_confirmed_and_noted() -> None:
    call = Call()
    call.says("I want to cancel my order.")
    assert "five five three, eight eight two" in call.answer("553882")
    assert "again" in call.answer("No, that is not correct.")
    assert "five five three, eight eight three" in call.answer(
        "double five three, double eight three"
    )
    assert "to be cancelled" in call.answer("Yes, that's right.")
    assert call.says("No, thank you.").tool == ToolRequest("avr_hangup", {})


def test_an_appointment_is_asked_for_bit_by_bit() -> None:
    call = Call()
    assert "Which day" in call.answer("I'd like to book an appointment.")
    assert "what time" in call.answer("Next Tuesday.")
    assert "next Tuesday at half past three" in call.answer("At half past three.")
    assert "Wednesday at half past three" in call.answer("No, on Wednesday.")
    assert "Wednesday at half past three is noted" in call.answer("Yes please")


def test_repeat_gives_the_last_answer_again() -> None:
    call = Call()
    first = call.answer("Where are you?")
    assert call.answer("Could you repeat that, please?") == first
    assert call.answer("Sorry?") == first


def test_the_callers_name_is_remembered() -> None:
    call = Call()
    answer = call.answer("My name is Anna and I'd like to book an appointment.")
    assert answer.startswith("Thank you, Anna. Which day")
    assert call.answer("Goodbye.") == "Thank you for calling, Anna. Goodbye."


def test_a_follow_up_question_about_another_day() -> None:
    call = Call()
    call.says("Are you open on Saturday?")
    assert "closed on Sunday" in call.answer("And on Sunday?")


def test_replies_to_unknown_questions_differ_from_one_to_the_next() -> None:
    call = Call()
    answers = [call.answer("Blah blah blah.") for _ in range(6)]
    assert all(a != b for a, b in pairwise(answers))


def test_a_question_that_the_caller_did_not_hear_counts_as_not_asked() -> None:
    messages = [
        {"role": "user", "content": "553882"},
        {"role": "assistant", "content": "I heard five five"},
        {"role": "user", "content": "Yes."},
    ]
    assert "noted" not in DESK.reply(messages).text


@pytest.mark.parametrize(
    ("tool", "result", "said"),
    [
        ("avr_transfer", '{"ok": true}', "connected"),
        ("avr_transfer", "Transfer started", "connected"),
        ("avr_transfer", "Error during transfer: connection refused", "did not work"),
        ("avr_transfer", '{"error": "no such extension"}', "did not work"),
        ("avr_hangup", "ok", "Goodbye"),
        ("avr_hangup", "timeout", "hang up"),
        ("find_table", "table 12", "done"),
        ("find_table", '{"success": false}', "did not work"),
    ],
)
def test_a_tool_result_is_acknowledged(tool: str, result: str, said: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Do it."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": result},
    ]
    reply = DESK.reply(messages, TOOLS)
    assert said in reply.text
    assert reply.tool is None


def test_message_content_may_be_a_list_of_parts() -> None:
    parts = [{"type": "text", "text": "Where"}, {"type": "text", "text": "are you?"}]
    assert "River Street" in DESK.reply([{"role": "user", "content": parts}]).text


SPOKEN = st.lists(
    st.sampled_from(
        "yes no what where open Saturday five three my name is Anna book cancel order transfer "
        "me operator goodbye message repeat that [keys: 1 2] 553882 thank you is not".split()
    ),
    max_size=8,
).map(" ".join)


@given(st.lists(SPOKEN | st.text(max_size=40), min_size=1, max_size=6), st.booleans())
def test_every_reply_can_be_spoken(said: list[str], offered: bool) -> None:
    call = Call(TOOLS if offered else frozenset())
    for text in said:
        reply = call.says(text)
        assert reply.text.strip()
        assert not re.search(r"[*#\[\]\n]", reply.text)
        assert len(re.findall(r"[.?!](\s|$)", reply.text)) <= 4
        assert reply.tool is None or reply.tool.name in call.tools
