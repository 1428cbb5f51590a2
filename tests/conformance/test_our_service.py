"""This service conforms, over both ways."""

from tests.conformance.avr_service import speech
from tests.conformance.signed_clouds import signed
from tests.support import Serve, url_of

from avr_sts_speechmatics.conformance.plays import Caller
from avr_sts_speechmatics.conformance.run import examine
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox


async def test_this_service_conforms(serve: Serve) -> None:
    async with (
        running_sandbox(signed(), max_calls=40) as cloud,
        serve(cloud, speechmatics_welcome_message="Hello.") as server,
    ):
        caller = Caller(url_of(server).rstrip("/"), speech(1.2, 1), speech(1.4, 2), calls=4)
        post = url_of(server, "/speech-to-speech-stream").replace("ws:", "http:")
        findings = await examine(caller, post, at_once=True)
    assert not [(one.line.name, one.detail) for one in findings if one.state != "holds"]
