"""The receptionist behind the interface of a model."""

from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.services.llm.protocol import Brief
from avr_sts_speechmatics.services.llm.scripted import Receptionist, ScriptedLlm, load_faq


async def test_the_receptionist_answers_as_a_model_would_be_asked() -> None:
    llm = ScriptedLlm(Receptionist(load_faq(None)))
    await llm.warm_up()
    history = [
        Message("assistant", "Hello, how can I help you?"),
        Message("user", "What are your opening hours on Saturday?"),
    ]
    brief = Brief("Any instructions.")
    first = "".join([str(text) async for text in llm.reply(brief, history)])
    assert "Saturday" in first
    history += [Message("assistant", first), Message("user", "Could you repeat that, please?")]
    again = "".join([str(text) async for text in llm.reply(brief, history)])
    assert first in again
    await llm.close()
