"""The state table of a call: an event goes in, commands come out.

Theory of operation. The recogniser (STT) reports when sound begins, which words it hears, and when
the caller's turn is over. The end of a turn with words starts a reply; the first audio of the
reply makes the agent SPEAKING. A sound of the caller while the agent speaks only *pauses* the
agent; words take the floor from it. Whatever was played comes back as "played", whatever was
thrown away as "dropped": the history is written from those two and from nothing else.

tag | while     | when                     | then                            | because
----+-----------+--------------------------+---------------------------------+----------------------
T1  | any       | a turn ends with words   | write them down, start a reply  | it is the agent's
    |           |                          |                                 | turn
T2  | any       | a turn ends without      | nothing; go on if paused        | a cough asks nothing
    |           | words                    |                                 |
T3  | LISTENING | settled words, then      | answer them after               | a lost "end of turn"
    |           | nothing                  | TURN_OVERDUE_S                  | must not be silence
T4  | THINKING  | the caller speaks on     | drop the unheard reply, listen  | they had not finished
T5  | LISTENING | that came to nothing     | ask for the reply again         | the question stands
T6  | THINKING  | sound as the voice       | begin paused; wait confirm_s    | do not talk into a
    |           | begins                   |                                 | word
T7  | SPEAKING  | sound                    | pause; wait confirm_s           | it may be a cough
T8  | SPEAKING  | sound, barge_in is       | flush, listen; cancel once      | the operator wants it
    |           | speech                   | words are settled               |
T9  | SPEAKING, | min_words of a new turn  | flush, listen; cancel once the  | they want the floor
    | PAUSED    |                          | words are settled               |
T10 | SPEAKING, | a turn of backchannels,  | write it down, go on            | "mhm" means: go on
    | PAUSED    | and the agent says more  |                                 |
T11 | SPEAKING  | anything, barge_in is    | say it all, then answer         | the operator wants it
    |           | off or the welcome is    |                                 | heard
    |           | sacred                   |                                 |
T12 | PAUSED    | confirm_s is over        | resume at the very sample       | silence after a cough
    |           |                          |                                 | sounds broken
T13 | any       | a segment older than the | write it down; answer only if   | a late final belongs
    |           | turn's end               | nobody answers yet              | to the turn before it
T14 | any       | a key                    | flush, collect; "#" or a pause  | who types wants to be
    |           |                          | ends the number, "*" clears it  | served, not talked
    |           |                          |                                 | over
T15 | THINKING  | no voice for filler_s    | a short phrase, another each    | silence sounds like a
    |           |                          | time                            | broken line
T16 | LISTENING | nothing for no_input_s   | prompt, differently each time   | they may wait for us
T17 | LISTENING | prompted no_input_max    | say goodbye, then end the call  | nobody is there
    |           | times                    |                                 |
T18 | any       | words over that goodbye  | keep the call                   | somebody is
T19 | any       | WARNING_S before the end | say that the call will end      | nobody likes to be
    |           |                          |                                 | cut
T20 | any       | max_call_s               | say goodbye, then end the call  | the operator's limit
T21 | any       | a reply fails            | say so; the caller may ask      | a person would not go
    |           |                          | again                           | silent
T22 | any       | FAILURES_MAX in a row    | say so, then end the call       | nor promise in vain
T23 | any       | an apology fails too     | end the call                    | a mute agent is
    |           |                          |                                 | silence
T24 | LISTENING | STT is lost, patience_s  | ask for a moment                | what they say is
    |           |                          |                                 | heard later; they
    |           |                          |                                 | shall know
T25 | any       | STT fails for good       | say so, then end the call       | nobody hears the
    |           |                          |                                 | caller any more
T26 | any       | no more audio will come  | answer what was asked, then end | a file was piped in
T27 | LISTENING | words seem settled       | ask the model, unheard          | the answer comes
    |           |                          |                                 | sooner
T28 | LISTENING | they change              | drop that answer                | it answers other
    |           |                          |                                 | words
T29 | LISTENING | the turn ends with them  | that answer is the reply        | nothing is asked
    |           |                          |                                 | twice
T30 | LISTENING | a turn ends in the       | keep it open for dictation_s    | people pause in
    |           | middle of a number, an   |                                 | numbers
    |           | address                  |                                 |
T31 | any       | the model asks for tools | run each once; write down calls | what is done is done,
    |           |                          | and results, interrupted or not | even if interrupted
T32 | THINKING, | all tools have ended     | ask the model again             | it answers with them
    | SPEAKING  |                          |                                 |
T33 | THINKING  | a turn ends while a tool | hold the reply until the tool   | a model must know
    |           | still runs               | has ended                       | what was done
T34 | any       | tool_rounds are used up  | ask again without tools         | a loop is silence
T35 | SPEAKING  | the model asks to hang   | say all of it, or a goodbye;    | the farewell is heard
    |           | up or transfer           | wait farewell_s; then do it     | to its end
T36 | DEPARTING | sound                    | wait confirm_s longer           | it may be a word
T37 | any       | words before it is done  | keep the call, tell the model   | "oh, one more thing"
T38 | DEPARTING | it could not be done     | tell the model, which answers   | they are still here
T39 | DEPARTING | it was done              | end the call when GONE_S is     | the PBX ends it
    |           |                          | over                            |
T40 | SPEAKING, | a turn of backchannels,  | answer it                       | "yeah" answers what
    | PAUSED    | then the reply ends      |                                 | the agent has asked
T41 | LISTENING | the words that took the  | say the cut sentence again, go  | a sound like "the"
    |           | floor come to nothing    | on from there                   | costs no answer
T42 | LISTENING | a turn ends in the       | keep it open for unfinished_s   | people pause to think
    |           | middle of a sentence     |                                 |
T43 | any       | words that the agent has | ignore them, go on if paused    | the line returns the
    |           | just said                |                                 | agent's own voice
T44 | any       | this program ends        | say the sentence to its end,    | nobody is cut off in
    |           |                          | apologise, then end the call    | the middle of a word
T45 | any       | the call costs max_cost  | say the sentence to its end,    | the operator's limit
    |           |                          | say goodbye, then end the call  |
T46 | any       | the operator ends the    | say goodbye, then end the call  | the operator decides
    |           | call                     |                                 |
T47 | any       | the operator transfers   | say so, then transfer, whatever | the operator decides;
    |           | the call                 | the caller says                 | T38 if it fails
T48 | any       | the call starts, with    | say them to their ends, then    | who calls has a right
    |           | notices                  | the welcome                     | to know first
T49 | any       | words or keys over a     | collect them; answer them       | the caller is heard,
    |           | notice                   | instead of the welcome          | the notice too
T50 | any       | a notice fails           | log it, go on                   | the next sentence may
    |           |                          |                                 | have a voice

Late news of a reply that was cancelled is ignored by its number. Each row is a function whose
docstring begins with its tag: `barge_in`, `turn_ends`, `replies`, `notices`, `tools_and_leaving`
and `silence_and_limits` have them. `steps` has what the rows share, `state` what is remembered.
"""

from collections.abc import Callable, Mapping

from avr_sts_speechmatics.dialogue import events as ev
from avr_sts_speechmatics.dialogue.replies import Replies
from avr_sts_speechmatics.dialogue.silence_and_limits import SilenceAndLimits
from avr_sts_speechmatics.dialogue.state import State
from avr_sts_speechmatics.dialogue.steps import Commands
from avr_sts_speechmatics.dialogue.turn_ends import TurnEnds


class Dialogue(TurnEnds, Replies, SilenceAndLimits):
    """One call's turns.

    `handle` takes an event and gives the commands it causes, in order. The call's driver carries
    them out and reports what comes of them. After EndCall no command follows.
    """

    def handle(self, event: ev.Event) -> Commands:
        """Take one event; give the commands, in order.

        Each command must be carried out before the next is taken, and all must be taken. The
        answer to a command is sent into the generator. No other event may be handled meanwhile:
        `driver.Driver` queues it.
        """
        assert not self.handling, f"{event} while another event is handled"
        if self.state is State.ENDED:
            return
        self.handling = True
        try:
            held = self.held
            if held is not None and getattr(event, "reply", None) == held.reply.number:
                held.news.append(event)
                return
            yield from self._handle(event)
            if held is not None and self.reply is held.reply:  # the held reply goes on
                for news in held.news:
                    yield from self._handle(news)
        finally:
            self.handling = False

    def _handle(self, event: ev.Event) -> Commands:
        if isinstance(event, ev.TimerFired):
            yield from _TIMERS[event.timer](self)
        else:
            yield from _HANDLERS[type(event)](self, event)


_HANDLERS: Mapping[type[ev.Event], Callable[..., Commands]] = {
    ev.CallStarted: Dialogue.call_started,
    ev.CallerSpeechStarted: Dialogue.speech_started,
    ev.CallerSpeechEnded: Dialogue.speech_ended,
    ev.WordsHeard: Dialogue.words_heard,
    ev.SegmentHeard: Dialogue.segment_heard,
    ev.TurnEnded: Dialogue.turn_ended,
    ev.KeyPressed: Dialogue.key_pressed,
    ev.SentenceReady: Dialogue.sentence_ready,
    ev.VoiceStarted: Dialogue.voice_started,
    ev.ToolsCalled: Dialogue.tools_called,
    ev.ToolDone: Dialogue.tool_done,
    ev.UtterancePlayed: Dialogue.utterance_played,
    ev.UtteranceDropped: Dialogue.utterance_dropped,
    ev.ReplyEnded: Dialogue.reply_ended,
    ev.ReplyFailed: Dialogue.reply_failed,
    ev.SttLost: Dialogue.stt_lost,
    ev.SttRestored: Dialogue.stt_restored,
    ev.SttFailed: Dialogue.stt_failed,
    ev.AudioEnded: Dialogue.audio_ended,
    ev.ServiceEnds: Dialogue.service_ends,
    ev.CostReached: Dialogue.cost_reached,
    ev.OperatorLeaves: Dialogue.operator_leaves,
}

_TIMERS: Mapping[ev.Timer, Callable[[Dialogue], Commands]] = {
    ev.Timer.CONFIRM: Dialogue.sound_confirmed,
    ev.Timer.OVERDUE: Dialogue.turn_over,
    ev.Timer.DICTATION: Dialogue.turn_over,
    ev.Timer.ECHO: Dialogue.echo_is_over,
    ev.Timer.EDGE: Dialogue.edge_is_over,
    ev.Timer.CLOSING: Dialogue.close_call,
    ev.Timer.FAREWELL: Dialogue.margin_is_over,
    ev.Timer.FILLER: Dialogue.voice_is_slow,
    ev.Timer.NO_INPUT: Dialogue.caller_is_silent,
    ev.Timer.MAX_CALL: Dialogue.call_is_long,
    ev.Timer.PATIENCE: Dialogue.stt_is_missed,
    ev.Timer.KEYS: Dialogue.number_typed,
    ev.Timer.SETTLE: Dialogue.audio_settled,
}
