"""The phone's SIP: what it reads is what was said, and its digest is the one of the RFC."""

import pytest
from tests.asterisk import sip
from tests.asterisk.g711 import A_LAW

RINGING = b"""SIP/2.0 200 OK
Via: SIP/2.0/UDP 127.0.0.1:5000;branch=z9hG4bKa;rport
Via: SIP/2.0/UDP 127.0.0.1:5001;branch=z9hG4bKb
To: <sip:5001@127.0.0.1>;tag=7
CSeq: 2 INVITE
Contact: <sip:127.0.0.1:5060>
Content-Length: 60

v=0
c=IN IP4 127.0.0.1
m=audio 4000 RTP/AVP 0 101
""".replace(b"\n", b"\r\n")


def test_a_reply_is_understood() -> None:
    reply = sip.Message.parse(RINGING)
    assert reply.status == 200
    assert reply.method == "INVITE"
    assert reply.contact == "sip:127.0.0.1:5060"
    assert reply.media == ("127.0.0.1", 4000)


def test_a_reply_without_media_says_so() -> None:
    with pytest.raises(ValueError, match=r"no media in: SIP/2\.0 200 OK"):
        _ = sip.Message.parse(RINGING.partition(b"v=0")[0]).media


def test_an_answer_repeats_what_it_answers_to() -> None:
    asked = sip.Message.parse(RINGING.replace(b"SIP/2.0 200 OK", b"BYE sip:x SIP/2.0", 1))
    answer = sip.Message.parse(sip.okay(asked, "<sip:me>"))
    assert answer.status == 200
    assert [value for name, value in answer.headers if name == "via"] == [
        value for name, value in asked.headers if name == "via"
    ]
    assert answer.header("cseq") == "2 INVITE"
    assert answer.header("content-length") == "0"


def test_the_digest_is_that_of_the_rfc() -> None:
    # The names of RFC 2617, 3.5, in the older form of its 3.2.2.1, which has no qop.
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    header = sip.authorization(challenge, "GET", "/dir/index.html", "Mufasa", "Circle Of Life")
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in header
    assert "qop" not in header


def test_an_offer_names_the_law_and_the_keys() -> None:
    offered = sip.offer(4000, A_LAW)
    assert "m=audio 4000 RTP/AVP 8 101\r\n" in offered
    assert "a=rtpmap:8 PCMA/8000\r\n" in offered
    assert "a=rtpmap:101 telephone-event/8000\r\n" in offered
