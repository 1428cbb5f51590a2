"""The configuration of the Asterisk under test: the shipped examples, and what a test rig adds.

`examples/asterisk/*.conf` are included as they are, so what an operator copies is what is tested.
What is added afterwards takes the place of addresses and ports, keeps everything on loopback,
records each call, and gives the files that any Asterisk has anyhow.
"""

import random
import socket
from dataclasses import dataclass
from pathlib import Path

from tests.asterisk.unpacked import modules
from tests.support import ROOT

EXAMPLES = ROOT / "examples" / "asterisk"

USER, PASSWORD = "1000", "change-me"
"""The phone of the example."""

AMI_USER, AMI_PASSWORD = "avr", "change-me"

TRANSFER_CONTEXT = "transfers"

NO_CODEC = ("5006", "5007")
"""Extensions of the rig's own: Dial() that names no codec, against the advice of the examples."""

NO_UUID, NO_JSON, NO_SUCH_CODEC, NO_ANSWER = "5901", "5902", "5903", "5904"
"""Extensions with mistakes that docs/asterisk.md knows by the log. The last dials ${NOWHERE}."""

RTP_PORTS = 400
_BELOW_THE_KERNELS_OWN = (12_000, 31_000)

# Named one by one: loading all there is takes ten times as long, and a module whose own
# configuration is missing complains. What one of them needs stands here too: a module that misses
# another is left out with no more than a line in the log.
_MODULES = """
    app_audiosocket app_dial app_echo app_mixmonitor app_playtones app_verbose
    bridge_builtin_features bridge_holding bridge_simple bridge_softmix
    chan_audiosocket chan_bridge_media chan_pjsip chan_websocket
    codec_alaw codec_g722 codec_resample codec_ulaw format_pcm format_sln format_wav
    func_callerid func_channel func_curl func_dialplan func_hangupcause func_logic
    func_strings func_uri func_uuid pbx_config
    res_audiosocket res_curl res_http_websocket res_pjproject res_pjsip
    res_pjsip_authenticator_digest res_pjsip_caller_id res_pjsip_dtmf_info
    res_pjsip_endpoint_identifier_user res_pjsip_header_funcs res_pjsip_nat res_pjsip_pubsub
    res_pjsip_registrar res_pjsip_rfc3326 res_pjsip_sdp_rtp res_pjsip_session
    res_rtp_asterisk res_sorcery_astdb res_sorcery_config res_sorcery_memory
    res_timing_timerfd res_websocket_client
""".split()


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports on 127.0.0.1. Of Asterisk: sip, manager, rtp (the first). Of the service: the rest."""

    sip: int
    manager: int
    rtp: int
    service: int
    audiosocket: int
    http: int

    @classmethod
    def free(cls) -> "Ports":
        """Six that nobody has now, where the kernel takes none for connections of its own."""
        low, high = _BELOW_THE_KERNELS_OWN
        found: list[int] = []
        while len(found) < 5:
            port = random.randrange(low, high - RTP_PORTS)
            if port not in found and _is_free(port):
                found.append(port)
        sip, manager, service, audiosocket, http = found
        rtp = random.randrange(high, 32_700 - RTP_PORTS) & ~1
        return cls(sip, manager, rtp, service, audiosocket, http)


def write(work: Path, root: Path, ports: Ports) -> None:
    """Write everything an Asterisk of its own needs below `work`. root: the unpacked files."""
    for name in ("etc", "lib", "run", "log", "spool/monitor"):
        (work / name).mkdir(parents=True, exist_ok=True)
    for name, text in _files(work, root, ports).items():
        (work / "etc" / name).write_text(text.lstrip())


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def _files(work: Path, root: Path, ports: Ports) -> dict[str, str]:
    loads = "\n".join(f"load = {name}.so" for name in _MODULES)
    return {
        "asterisk.conf": f"""
[directories]
astetcdir => {work}/etc
astmoddir => {modules(root)}
astdatadir => {root}/usr/share/asterisk
astvarlibdir => {work}/lib
astdbdir => {work}/lib
astkeydir => {work}/lib
astagidir => {work}/lib
astspooldir => {work}/spool
astrundir => {work}/run
astlogdir => {work}/log
astsbindir => {root}/usr/sbin
[options]
verbose = 3
""",
        "logger.conf": """
[general]
dateformat = %F %T.%3q
[logfiles]
messages => notice,warning,error,verbose(3),dtmf
""",
        "modules.conf": f"[modules]\nautoload = no\n{loads}\n",
        "rtp.conf": f"[general]\nrtpstart = {ports.rtp}\nrtpend = {ports.rtp + RTP_PORTS}\n",
        "extensions.conf": f"""
#include {EXAMPLES}/extensions.conf

[globals](+)
AVR = 127.0.0.1:{ports.audiosocket}
AVR_HTTP = http://127.0.0.1:{ports.http}

[agents](+)
exten => _500[67],1,Answer()
 same => n,Dial(AudioSocket/${{AVR}}/${{UUID()}})
 same => n,Hangup()

exten => {NO_UUID},1,Answer()
 same => n,AudioSocket(${{UNIQUEID}},${{AVR}})
exten => {NO_JSON},1,Answer()
 same => n,Dial(WebSocket/avr/c(slin))
exten => {NO_SUCH_CODEC},1,Answer()
 same => n,Dial(WebSocket/avr/c(g722)f(json))
exten => {NO_ANSWER},1,Answer()
 same => n,AudioSocket(${{UUID()}},${{NOWHERE}})

; Every call is recorded, both sides and each alone, then goes its way.
[recorded]
exten => _X.,1,Set(RECORDING=${{CHANNEL(uniqueid)}}-${{EXTEN}})
 same => n,MixMonitor(${{RECORDING}}.wav,r(${{RECORDING}}-from.wav)t(${{RECORDING}}-to.wav))
 same => n,Goto(phones,${{EXTEN}},1)
""",
        "pjsip.conf": f"""
#include {EXAMPLES}/pjsip.conf

[udp](+)
bind = 127.0.0.1:{ports.sip}

[{USER}](+type=endpoint)
context = recorded
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
""",
        "manager.conf": f"""
#include {EXAMPLES}/manager.conf

[general](+)
port = {ports.manager}
""",
        "websocket_client.conf": f"""
#include {EXAMPLES}/websocket_client.conf

[avr](+)
uri = ws://127.0.0.1:{ports.service}/media
""",
        # Read by the core at every start, which complains where one is missing.
        "acl.conf": "",
        "ccss.conf": "[general]\n",
        "chan_websocket.conf": "",
        "cdr.conf": "[general]\nenable = no\n",
        "cel.conf": "[general]\nenable = no\n",
        "features.conf": "[general]\n",
        "indications.conf": """
[general]
country = us
[us]
description = United States
ringcadence = 2000,4000
dial = 350+440
busy = 480+620/500,0/500
ring = 440+480/2000,0/4000
congestion = 480+620/250,0/250
""",
        "pjproject.conf": "",
        "udptl.conf": "[general]\n",
    }
