"""A call without sound, in virtual time: does what a dialogue asks for, tells it what comes of it.

The agent speaks a word in WORD_S seconds; `passes` lets time go by, and with it speech is played
and timers fire. Whatever a test is about, every command is checked when it is given: what makes
no sense on a real line (a pause within a pause, a flush of silence, a reply beside another) fails.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count, groupby

from avr_sts_speechmatics.conversation import Entry, Message, ToolCall, ToolResult
from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.driver import Driver
from avr_sts_speechmatics.dialogue.history import MARKS
from avr_sts_speechmatics.dialogue.manners import Manners
from avr_sts_speechmatics.dialogue.state import State
from avr_sts_speechmatics.dialogue.turns import Dialogue

WORD_S = 0.5

PATIENT = Manners(no_input_s=0.0, filler_s=0.0, preemptive=False, farewell_s=0.0, unfinished_s=0.0)
"""For tests that are about something else: nothing is said only because time passes, and nothing
is asked before its time."""

QUESTION = "When do you open?"
ANSWER = "We are open from nine to five on weekdays."
A_MOMENT = PATIENT.confirm_s / 2
"""Shorter than a sound takes to be confirmed (s)."""

_SAME = 1e-9  # two times nearer than this are one (s)


@dataclass(slots=True)
class Speech:
    """An utterance in the playout. All of its audio is there as soon as any is."""

    number: int
    reply: int
    text: str
    played: float = 0.0

    @property
    def duration(self) -> float:
        return WORD_S * len(self.text.split())


@dataclass(slots=True)
class Reply:
    """A reply under way. text: what a fixed one says. waits: for its tools to end.

    rounds: how often it asked for tools.
    """

    number: int
    text: str | None
    history: tuple[Entry, ...] = ()
    waits: bool = False
    rounds: int = 0
    may_use_tools: bool = True
    started: bool = False
    complete: bool = False
    failed: bool = False
    cancelled: bool = False
    held: bool = False
    over: bool = False


class SimulatedCall:
    """Holds a Dialogue, its line, its playout and its timers."""

    def __init__(self, manners: Manners | None = None) -> None:
        self.manners = manners or PATIENT
        self.dialogue = Dialogue(self.manners)
        self._driver = Driver(self.dialogue, self._do)
        self.now = 0.0
        self.commands: list[ev.Command] = []
        self.transcript: list[tuple[str, str]] = []
        self.timers: dict[ev.Timer, float] = {}
        self.replies: list[Reply] = []
        self.playout: deque[Speech] = deque()
        self._prepared: deque[Speech] = deque()  # no audio of it has come yet
        self._cut: list[Speech] = []  # of the reply that is held
        self.paused = False
        self.fillers: list[str] = []
        self.filling = False  # the voice of the reply under way is only a filler's so far
        self.drafts: list[Reply] = []
        """Replies begun ahead that are neither confirmed nor dropped."""
        self.drafts_begun = 0
        self.tools: dict[int, ToolCall] = {}
        """Tools that run, by their number."""
        self.tools_run: list[str] = []
        self.tools_asked: list[str] = []
        self._tool_ids = count(1)
        self._results: dict[str, str] = {}  # what a tool gave or why it was refused, by its id
        self._leaving: dict[str, int] = {}  # tools that end the call: lines written before them
        self._reported: set[str] = (
            set()
        )  # tools whose result an answer knew that was begun to be said
        self._late: set[str] = set()  # segments of a turn that was over
        self._last_heard = 0.0  # when the agent's last sound was
        self.notices: list[str] = [notice.text for notice in self.manners.notices]
        """Notices that are still to be given."""
        self.notices_given: list[str] = []
        self.notice_was_cut = False
        self.ended: ev.EndCall | None = None
        self.events = 0
        """What has happened while the call went on."""
        self.said: list[str] = []
        """Segments told to the dialogue while the call went on."""
        self.segments: list[ev.SegmentHeard] = []
        self.owed = False
        """Whether the caller's last words still wait for an answer (or an apology) to begin."""
        self._spoken: list[str] = []  # what of the agent was heard, independently of its history
        self._utterances = count(1)
        self._audio_s = 0.0
        self._turn_end = 0.0

    # --- what is seen --------------------------------------------------------------------------

    @property
    def reply(self) -> Reply | None:
        """The reply that thinks or speaks now."""
        last = self.replies[-1] if self.replies else None
        gone = last is None or last.cancelled or last.held or last.over
        return None if gone else last

    @property
    def held(self) -> Reply | None:
        """The reply that was interrupted by something that may come to nothing."""
        return next((reply for reply in self.replies if reply.held), None)

    @property
    def model_may_ask(self) -> bool:
        """A model's answer is under way that may still ask for tools."""
        reply = self.reply
        if reply is None or reply.text is not None:
            return False
        return reply.may_use_tools and not (reply.complete or reply.waits)

    @property
    def speaking(self) -> bool:
        """A reply's voice has begun and is not over, be it paused."""
        return self.reply is not None and (self.reply.started or self.filling)

    @property
    def questions(self) -> list[str]:
        """What the model was asked last, one text for each question."""
        asked = (r.history[-1] for r in self.replies if r.text is None and r.history)
        return [entry.content for entry in asked if isinstance(entry, Message)]

    @property
    def fixed(self) -> list[str]:
        """The fixed texts the agent was told to say."""
        return [reply.text for reply in self.replies if reply.text is not None]

    @property
    def waiting(self) -> list[str]:
        """Settled words that have not been written down yet."""
        written = " ".join(text for role, text in self.transcript if role == "user")
        return list((Counter(" ".join(self.said).split()) - Counter(written.split())).elements())

    @property
    def conversation(self) -> list[tuple[str, str]]:
        entries = self.dialogue.history.messages()
        return [(m.role, m.content) for m in entries if isinstance(m, Message)]

    @property
    def tool_results(self) -> list[tuple[str, str]]:
        """Each tool asked for and what the model is told of it, oldest first."""
        entries = self.dialogue.history.messages()
        names = {entry.id: entry.name for entry in entries if isinstance(entry, ToolCall)}
        return [(names[e.id], e.content) for e in entries if isinstance(e, ToolResult)]

    @property
    def a_tool_has_no_result(self) -> bool:
        """The history has a tool call whose result is not written down yet: no model may see it."""
        try:
            self.dialogue.history.messages()
        except KeyError:
            return True
        return False

    def asked_for(self, kind: type[ev.Command]) -> int:
        return sum(isinstance(command, kind) for command in self.commands)

    # --- what the caller does ------------------------------------------------------------------

    def starts(self) -> None:
        self.tell(ev.CallStarted())

    def sound(self) -> None:
        self.tell(ev.CallerSpeechStarted())

    def quiet(self) -> None:
        self.tell(ev.CallerSpeechEnded())

    def guess(self, text: str, *, late: bool = False) -> None:
        self.tell(ev.WordsHeard(text, self._until(late)))

    def segment(self, text: str, *, late: bool = False) -> None:
        if self.ended is None and any(c.isalnum() for c in text):
            self.said.append(text)
        if late:
            self._late.add(text)
        flushes = self.asked_for(ev.Flush)
        self.segments.append(ev.SegmentHeard(text, self._until(late)))
        self.tell(self.segments[-1])
        assert not late or self.asked_for(ev.Flush) == flushes, "a late final flushed the agent"

    def segment_of_the_agent(self, text: str) -> None:
        """The line returns words of the agent, which are settled: nobody said them."""
        self._late.add(text)
        self.tell(ev.SegmentHeard(text, self.audio_s()))

    def audio_s(self) -> float:
        """The end of what the recogniser reports next on the call's audio clock (s)."""
        return self._until(False)

    def turn_ends(self) -> None:
        self._turn_end = self._until(False)
        self.tell(ev.TurnEnded(self._turn_end))

    def says(self, text: str) -> None:
        """A whole turn: sound, a guess, the settled words, the end."""
        self.sound()
        self.guess(text)
        self.segment(text)
        self.quiet()
        self.turn_ends()

    def types(self, keys: str) -> None:
        for key in keys:
            self.tell(ev.KeyPressed(key))

    # --- what the agent's services do ----------------------------------------------------------

    def agent_prepares(self, text: str) -> int:
        """A sentence goes to the voice; no audio has come yet. Returns the utterance's number."""
        return self._utterance(self._current().number, text)

    def _utterance(self, reply: int, text: str) -> int:
        number = next(self._utterances)
        self._prepared.append(Speech(number, reply, text))
        self.tell(ev.SentenceReady(reply, number, text))
        return number

    def voice_comes(self) -> None:
        """The audio of what was prepared is there."""
        while self._prepared:
            reply, speech = self._current(), self._prepared.popleft()
            if not reply.started:
                reply.started = True
                self.owed = self.owed and reply.text is not None
            self.tell(ev.VoiceStarted(reply.number))
            self.playout.append(speech)
            self._report(reply)

    def agent_says(self, *sentences: str, complete: bool = True) -> None:
        """Sentences of the current reply (or its fixed text) with their audio.

        complete: no more text follows.
        """
        reply = self._current()
        for text in sentences or (reply.text,):
            assert text is not None, "say what the model answers"
            self.agent_prepares(text)
            self.voice_comes()
        reply.complete = complete

    def agent_has_said_all(self) -> None:
        """The model's answer is complete."""
        if not self._current().waits:
            self._current().complete = True

    def agent_calls(self, *names: str, refused: str = "", leaves: str = "") -> None:
        """The model's text is complete, and it asks for tools."""
        reply = self._current()
        assert reply.may_use_tools, "tools were asked for that were not offered"
        calls = [ToolCall(f"id{next(self._tool_ids)}", name, "{}") for name in names]
        self.tools_asked += [call.id for call in calls]
        if refused:
            self._results |= dict.fromkeys((call.id for call in calls), refused)
        if leaves:
            lines = len(self.transcript)
            self._leaving |= dict.fromkeys((call.id for call in calls), lines)
        reply.waits = True
        reply.rounds += 1
        requests = (ev.ToolRequest(call, leaves, refused) for call in calls)  # type: ignore[arg-type]
        self.tell(ev.ToolsCalled(reply.number, tuple(requests)))

    def operator_transfers(self) -> None:
        """The operator asks for a transfer through the API."""
        call = ToolCall(f"operator{next(self._tool_ids)}", "avr_transfer", "{}")
        dialogue = self.dialogue
        if not (dialogue.must_end or dialogue.pbx_is_at_work or self.ended):
            self.tools_asked.append(call.id)
        request = ev.ToolRequest(call, leaves="transfer", by_operator=True)
        self.tell(ev.OperatorLeaves(request))

    def tool_ends(self, result: str = "done", *, failed: bool = False) -> None:
        """The tool that has run longest ends."""
        number = next(iter(self.tools))
        self._results[self.tools.pop(number).id] = result
        self.tell(ev.ToolDone(number, result, failed))

    def agent_fails(self) -> None:
        """The model or the voice gives up; what is there is still played."""
        reply = self._current()
        reply.failed = reply.complete = True

    def voice_breaks_off(self) -> None:
        """No more audio of the sentence that is being heard will come; the next follows."""
        if self.playout and self.playout[0].played and not self.paused:
            self.tell(self._dropped(self.playout.popleft()))

    def pause_comes_too_late(self) -> None:
        """Where the other end plays: the sentence had been heard when it was told to pause."""
        if self.paused and self.playout:
            self._play_out()

    # --- time ----------------------------------------------------------------------------------

    def passes(self, seconds: float, *, settle: bool = True) -> None:
        """Let time go by: speech is played, timers fire. settle: replies report their end."""
        until = self.now + seconds
        while self.ended is None:
            if settle:
                self.settle()
            speech = self.playout[0] if self.playout and not self.paused else None
            timer = min(self.timers, key=self.timers.__getitem__, default=None)
            due = until if timer is None else self.timers[timer]
            done = until if speech is None else self.now + speech.duration - speech.played
            step = max(0.0, min(until, due, done) - self.now)
            self.now += step
            if speech is not None:
                speech.played += step
                self._last_heard = self.now
            if speech is not None and done <= self.now + _SAME:
                self._play_out()
            elif timer is not None and due <= self.now + _SAME:
                del self.timers[timer]
                self.tell(ev.TimerFired(timer))
            else:
                break
        if settle:
            self.settle()

    def settle(self) -> None:
        """A reply that is complete and was heard tells so."""
        while (reply := self.reply) is not None and reply.complete and self.ended is None:
            assert not reply.waits, "a reply ended that waits for its tools"
            if any(speech.reply == reply.number for speech in (*self.playout, *self._prepared)):
                return
            reply.over = True
            self._report(reply)
            self.owed = self.owed and reply.text is not None
            news = ev.ReplyFailed if reply.failed or not reply.started else ev.ReplyEnded
            self.tell(news(reply.number))

    # --- the wire between ----------------------------------------------------------------------

    def tell(self, event: ev.Event) -> None:
        self.events += self.ended is None
        self._driver.tell(event)
        if self.dialogue.handling:
            return
        if self.paused:
            assert ev.Timer.CONFIRM in self.timers, "paused, and nothing will make it go on"
        if ev.Timer.OVERDUE in self.timers:
            late = self.dialogue.caller.late
            open_ = self.owed or self.waiting or self.tools_asked or self.held or late
            assert open_, "nothing is overdue"

    def _do(self, command: ev.Command) -> ev.Answer:
        assert self.ended is None, f"{command} after the end of the call"
        self.commands.append(command)
        match command:
            case ev.StartReply(number, history, tentative):
                assert not self.notices, "an answer before the notices"
                reply = Reply(number, None, tuple(history or ()), waits=history is None)
                if history is None:
                    assert self.tools, "waits for a tool, and none runs"
                    assert not tentative, "begun ahead, and cannot be"
                else:
                    self._assert_usable(history)
                    assert tentative or self._has_all(history), "words are kept from the model"
                if tentative:
                    assert self.manners.preemptive, "begun ahead though it may not be"
                    assert not self.drafts, "two answers begun ahead at once"
                    self._assert_new(number)
                    self.drafts.append(reply)
                    self.drafts_begun += 1
                else:
                    self._begin(reply)
            case ev.ConfirmReply(number):
                (reply,) = self.drafts
                assert reply.number == number, "a reply was confirmed that was not begun"
                self.drafts.clear()
                now = self.dialogue.history.messages()
                assert _plain(reply.history) == _plain(now), "an answer to another question"
                self._begin(reply)
            case ev.ContinueReply(number, history, tools):
                reply = self._current()
                assert reply.number == number, "another reply goes on"
                assert reply.waits, "a reply goes on that did not wait"
                self._assert_usable(history)
                assert self._has_all(history), "words are kept from the model"
                assert not tools or reply.rounds < self.manners.tool_rounds, "tools for ever"
                reply.history, reply.waits, reply.may_use_tools = tuple(history), False, tools
            case ev.RunTool(number, ev.ToolRequest(tool)):
                assert tool.id not in self.tools_run, "a tool ran twice"
                assert number not in self.tools, "a number used twice"
                assert tool.id not in self._results, "a tool ran that was refused"
                if tool.id in self._leaving:
                    self._assert_said_goodbye(self._leaving[tool.id])
                self.tools_run.append(tool.id)
                self.tools[number] = tool
            case ev.Say(number, text):
                first = self.notices[:1]
                assert text in first or not first or self.dialogue.must_end, "before the notices"
                self._begin(Reply(number, text))
            case ev.Note(text) if "notice" in text:
                self.notices.pop(0)
            case ev.ReportNotice(_, text):
                assert text == self.notices.pop(0) == self._spoken[-1], "it was not heard"
                self.notices_given.append(text)
            case ev.Fill(number, text):
                reply = self._current()
                assert reply.number == number, "a filler for a reply that does not run"
                assert not self.playout, "a filler while the agent speaks"
                assert self.fillers[-1:] != [text], "the same filler again"
                self.fillers.append(text)
                utterance = next(self._utterances)
                self.tell(ev.SentenceReady(number, utterance, text))
                self.tell(ev.VoiceStarted(number, filler=True))
                self.filling = True
                self.playout.append(Speech(utterance, number, text))
            case ev.CancelReply(number) if any(d.number == number for d in self.drafts):
                self.drafts.clear()
            case ev.CancelReply(number) if (held := self.held) is not None:
                assert held.number == number, "another reply is held"
                held.held, held.cancelled = False, True
                self._cut.clear()
            case ev.HoldReply(number):
                reply = self._current()
                assert reply.number == number, "a reply that does not run was held"
                assert not self.playout, "a held reply would still be heard"
                reply.held = True
                self._cut = [cut for cut in self._cut if cut.reply == number] + [*self._prepared]
                self._prepared.clear()
            case ev.GoOnWithReply(number):
                assert self.held is not None, "nothing is held"
                assert self.held.number == number, "another reply is held"
                self.held.held = False
                for speech in self._cut:
                    if speech.text not in self.fillers:
                        self._utterance(speech.reply, speech.text)
                self._cut.clear()
            case ev.CancelReply(number):
                reply = self._current()
                assert reply.number == number, "a reply that does not run was cancelled"
                assert not self.playout, "a cancelled reply would still be heard"
                reply.cancelled = True
                if reply.text in self.notices:
                    self.notice_was_cut = True
                    self.notices.clear()
                self._prepared.clear()
            case ev.Pause():
                assert not self.paused, "paused twice"
                assert self.speaking, "nothing to pause"
                self.paused = True
            case ev.Resume():
                assert self.paused, "resumed without a pause"
                self.paused = False
            case ev.Flush():
                assert self.speaking, "flushed while the agent did not speak"
                return self._flush()
            case ev.SendTranscript(role, text):
                self.transcript.append((role, text))
                if role == "user":  # late words join the answer that is being heard
                    last = self.replies[-1] if self.replies else None
                    apology = (
                        last is not None
                        and last.text is None
                        and last.over
                        and (last.failed or not last.started)
                    )
                    answering = apology or (self.speaking and self._current().text is None)
                    departing = self.dialogue.state is State.DEPARTING
                    asks_nothing = not self._words_that_count(text) and (self.speaking or departing)
                    self.owed = self.owed or not (answering or asks_nothing)
            case ev.SetTimer(timer, after):
                self.timers[timer] = self.now + after
            case ev.CancelTimer(timer):
                self.timers.pop(timer, None)
            case ev.EndCall():
                assert not self.timers, "a timer outlives the call"
                assert not self.drafts, "an answer begun ahead outlives the call"
                self.ended = command
        return None

    def _begin(self, reply: Reply) -> None:
        assert self.reply is None, "a second reply beside the first"
        assert self.held is None, "a second reply beside one that is held"
        assert not self.playout, "an older reply is still being heard"
        self._assert_new(reply.number)
        self.replies.append(reply)
        self.filling = False

    def _assert_new(self, number: int) -> None:
        used = {other.number for other in (*self.replies, *self.drafts)}
        assert number not in used, "a number used twice"

    def _assert_usable(self, history: Sequence[Entry]) -> None:
        """A model takes it: somebody asked, and each tool call has its result right behind it."""
        last = history[-1]
        asked = not isinstance(last, Message) or last.role == "user"
        assert asked or self.tools_run or self.tools_asked, "nobody asked anything"
        filler = isinstance(last, Message) and last.content in self.manners.fillers
        assert asked or not filler, "a request ends with a filler"
        open_calls: list[str] = []
        answered: list[str] = []
        for entry in history:
            if isinstance(entry, ToolCall):
                open_calls.append(entry.id)
            elif isinstance(entry, ToolResult):
                told = self._results.get(entry.id)
                true = entry.content == told if told else entry.id not in self.tools_run
                assert true, f"not what came of it: {entry.content}"
                assert entry.content, "a result that says nothing"
                open_calls.remove(entry.id)
                answered.append(entry.id)
            else:
                assert not open_calls, "a tool call was not answered"
        assert not open_calls, "a tool call was not answered"
        assert answered == self.tools_asked[: len(answered)], "results are missing or twice there"

    def _flush(self) -> ev.Answer:
        dropped, self.paused = [*self.playout, *self._prepared], False
        self._cut = list(dropped)
        self.playout.clear()
        self._prepared.clear()
        return tuple(map(self._dropped, dropped))

    def _report(self, reply: Reply) -> None:
        self._reported |= {entry.id for entry in reply.history if isinstance(entry, ToolResult)}

    def _play_out(self) -> None:
        speech = self.playout.popleft()
        self._spoken.append(speech.text)
        self.tell(ev.UtterancePlayed(speech.number))

    def _dropped(self, speech: Speech) -> ev.UtteranceDropped:
        share = speech.played / speech.duration
        words = _within(speech.text, share)
        if words:
            self._spoken.append(words)
        return ev.UtteranceDropped(speech.number, share)

    def _has_all(self, history: Sequence[Entry]) -> bool:
        """Whether all that was written down of the caller is there."""
        said = [m.content for m in history if isinstance(m, Message) and m.role == "user"]
        return " ".join(said) == " ".join(text for role, text in self.transcript if role == "user")

    def _assert_said_goodbye(self, lines: int) -> None:
        """The call may be left: the last word has been heard, and nobody said anything since.

        lines: of the transcript, before the model asked to leave.
        """
        assert self.reply is None, "the agent has more to say"
        assert not self.playout, "the farewell is cut off"
        assert not self._prepared, "the farewell has not been heard at all"
        assert not self.paused, "the farewell is not to be heard"
        waited = self.now - self._last_heard
        assert waited >= self.manners.farewell_s - _SAME, "the farewell is still on the line"
        for role, text in self.transcript[lines:]:
            for late in self._late:  # perhaps beside words of the caller
                text = re.sub(rf"\b{re.escape(late)}(?!\w)", " ", text)
            few = self._words_that_count(text) < self.manners.min_words
            assert few or role != "user", "the caller spoke"

    def _words_that_count(self, text: str) -> int:
        """Words of a turn that are more than a backchannel of one word."""
        words = re.findall(r"\w+", text.lower())
        return sum(word not in self.manners.backchannels for word in words)

    def _until(self, late: bool) -> float:
        if late:
            return self._turn_end
        self._audio_s += 0.1
        return self._audio_s

    def _current(self) -> Reply:
        assert self.reply is not None, "no reply is under way"
        return self.reply

    # --- promises that hold at any time --------------------------------------------------------

    def assert_history_is_what_was_heard(self) -> None:
        """Transcript and history have every word that was heard, no other, in the same order."""
        assert [text for role, text in self.transcript if role == "agent"] == self._spoken
        if self.tools or (self.tools_asked and self.ended is not None):
            return  # a conversation with a tool that has not ended is shown to nobody
        if self.a_tool_has_no_result:
            return
        conversation = [
            (role, " ".join(_unmarked(content).split())) for role, content in self.conversation
        ]
        written, told = list(_merged(conversation)), list(_merged(self.transcript))
        if self.tools_asked:
            # What a model wrote before its tools stands before them, though it is heard later.
            written, told = _by_role(written), _by_role(told)
        if self.tools_asked and self.fillers:
            # As a filler that was said ahead of them.
            assert Counter(_words(written)) == Counter(_words(told))
        else:
            assert written == told

    def assert_tools_are_answered(self) -> None:
        """Each tool the model asked for has its one result, and an answer that knows of it."""
        assert len(self.tool_results) == len(self.tools_asked)
        assert self._reported == set(self.tools_asked), "nobody was told what came of a tool"


def heard(call: SimulatedCall) -> list[str]:
    """What the caller heard of the agent."""
    return [text for role, text in call.transcript if role == "agent"]


def _unmarked(text: str) -> str:
    for mark in MARKS:
        text = text.replace(mark, "")
    return text


def _within(text: str, share: float) -> str:
    """The longest run of whole words from the beginning within `share` of the letters."""
    words = text.split()
    while words and len(" ".join(words)) > share * len(text):
        words.pop()
    return " ".join(words)


def _plain(history: Iterable[Entry]) -> list[Entry]:
    """Without what a recogniser still changes in words it has settled on."""
    return [
        replace(entry, content=" ".join(re.findall(r"\w+", entry.content.lower())))
        if isinstance(entry, Message)
        else entry
        for entry in history
    ]


def _merged(transcript: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for role, lines in groupby(transcript, key=lambda line: line[0] == "user"):
        yield "user" if role else "assistant", " ".join(text for _, text in lines)


def _words(lines: list[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return ((role, word) for role, text in lines for word in text.split())


def _by_role(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [
        (role, " ".join(text for who, text in lines if who == role))
        for role in ("user", "assistant")
    ]
