"""Whole calls with each recogniser: a question is heard, answered, and the answer spoken."""

from dataclasses import fields

import pytest
from tests.avr_core import dial
from tests.services.stt.all_vendors import VENDORS
from tests.services.stt.vendors import Said
from tests.settings.environment import given_that
from tests.support import Serve, url_of

from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted
from avr_sts_speechmatics.settings.settings import DEFAULTS

UUID = "4f9e7c5e-0000-4000-8000-000000000001"
QUESTION = Said("When do you open?", 0.3, 1.2, ("When do", "When do you open"))


@pytest.mark.parametrize("name", list(VENDORS))
async def test_a_question_is_heard_and_answered_with_each_recogniser(
    serve: Serve, name: str
) -> None:
    async with (
        VENDORS[name].running() as vendor,
        running_sandbox(scripted(answers=["At nine."])) as cloud,
    ):
        vendor.script([QUESTION])
        given = given_that(**vendor.environment)
        changes = {
            item.name: value
            for item in fields(given)
            if (value := getattr(given, item.name)) != getattr(DEFAULTS, item.name)
        }
        async with serve(cloud, **changes) as server, dial(url_of(server)) as core:
            await core.init(UUID)
            await core.until(lambda heard: heard.said("agent") == "At nine.", timeout=10)
            assert core.heard.said("user") == "When do you open?"
        asked = cloud.received.chats[-1].body["messages"][-1]["content"]
        assert asked.rstrip("?") == "When do you open"
