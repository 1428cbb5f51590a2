"""Advice for the operator about the failure of a service, found by the words of the error."""

import re

LATER = "Try again in a minute; if it stays, look at the service's status page."
_NETWORK = "Check the network, its firewall and, where it is set, "
_KEY = "Copy SPEECHMATICS_API_KEY again from portal.speechmatics.com, whole; it may have expired."
_WORDS = "Correct SPEECHMATICS_LANGUAGE or SPEECHMATICS_ADDITIONAL_VOCAB, or the agent's own."
_LANGUAGE = (
    "Correct SPEECHMATICS_LANGUAGE, or the agent's own. Agent STT may lack a language that "
    "STT=realtime has."
)
_FUNDS = "The account has no credit left: see its billing page."
_STT_KEY = (
    "Copy OPENAI_STT_API_KEY again, or OPENAI_API_KEY where that is not set; it must be one of "
    "OPENAI_STT_URL's."
)
_SECOND_KEY = (
    "Copy OPENAI_TTS_API_KEY again, or OPENAI_API_KEY where that is not set; it must be one of "
    "OPENAI_TTS_URL's."
)
_PCM = (
    "The server sends audio that cannot be played: set OPENAI_TTS_FORMAT to wav (or back to pcm), "
    "or make the server answer with 16-bit PCM."
)
_CREDIT = "The account has no credit left, or is asked too often: see its billing page."
_MODEL = "Correct OPENAI_MODEL (or the agent's model), or OPENAI_BASE_URL (often …/v1)."
_COUNTRY = (
    "The server does not serve this country or region: run the service elsewhere, or name another "
    "server in OPENAI_BASE_URL."
)
_CONTEXT = (
    "Give the model a longer context (vLLM: --max-model-len; Ollama: num_ctx; llama.cpp: "
    "--ctx-size), or shorten the instructions and offer fewer tools."
)
_ROLES = (
    "The model's chat template refuses the form of the conversation: the service changes the form "
    "where it can; otherwise give the model server another chat template, or choose another model."
)
_OPAQUE = (
    "The server wants a field of its own tool call back, which something on the way drops: connect "
    "to the server without a gateway, or update the gateway."
)
_TOOL_WRITTEN_BADLY = (
    "The model wrote a tool call that its server cannot read. The service asks once more; if it "
    "stays, choose another model."
)
NO_TOOLS = (
    "The service asks without tools. For tools, hang-up and transfer choose a model that calls "
    "tools. vLLM: start it with --enable-auto-tool-choice and --tool-call-parser; llama.cpp: with "
    "--jinja."
)
TOOL_SCHEMA = (
    "The server refuses the description of a tool; the service asks without that tool. Simplify "
    "the tool's parameters."
)
_PARAMETER = "Unset OPENAI_TEMPERATURE and OPENAI_REASONING_EFFORT."

_CERTIFICATE = (
    "The certificate is not trusted: a proxy or a private server has its own. Name its file in "
    "SSL_CERT_FILE. Otherwise check this machine's clock."
)
_MODEL_KEY = "Copy OPENAI_API_KEY again; it must be one of OPENAI_BASE_URL's, for this model."

_TOO_LONG = r"context.?(length|window|size)|maximum context|(too|many) (long|tokens)|max_model_len"
_TOOLS_REFUSED = (
    r"support\w* (for )?(tool|function)|(tool|function)\w*\W+(\w+ )?not support"
    r"|auto.?tool.?choice|tool-call-parser|jinja"
)
_PARAMETER_REFUSED = (
    r"(unsupported|unknown|unrecognized|unexpected) .{0,20}(parameter|value|argument|field)"
    r"|not (permitted|allowed)|extra_forbidden|(temperature|effort)\b"
)

# Advice for all services; searched before the advice of one service.
_ALL = ((r"certificate", _CERTIFICATE),)

# The first pattern found in the error decides.
_ADVICE = {
    "stt": (
        (r"check OPENAI_STT_API_KEY", _STT_KEY),
        (r"check OPENAI_STT_MODEL", "Correct OPENAI_STT_MODEL, or install it on that server."),
        (r"check the account's credit", _FUNDS),
        (r"key is not accepted|not_a|\(400[13]\)", _KEY),
        (r"insufficient_funds", _FUNDS),
        (r"^invalid_audio", "Neither 8000 nor 16000 Hz: is SPEECHMATICS_RT_URL right?"),
        (r"invalid_model|\(4004\)", "Unset SPEECHMATICS_MODEL: the default exists."),
        (r"check SPEECHMATICS_LANGUAGE", _LANGUAGE),
        (r"^invalid_", _WORDS),
        (
            r"cannot connect|\(40[045]\)",
            _NETWORK + "SPEECHMATICS_RT_URL (STT=openai: OPENAI_STT_URL, often …/v1).",
        ),
    ),
    "tts by speechmatics": (
        (r"\(40[13]\)", _KEY),
        (r"\(404\)", "Set SPEECHMATICS_VOICE (or the agent's) to sarah, theo, megan or jack."),
        (r"^cannot connect", _NETWORK + "SPEECHMATICS_TTS_URL."),
    ),
    "tts by openai": (
        (r"\(40[13]\)", _SECOND_KEY),
        (r"\(4(00|22)\)", "Correct OPENAI_TTS_VOICE (or the agent's voice) or OPENAI_TTS_MODEL."),
        (r"instead of PCM", _PCM),
        (r"\(404\)", "Correct OPENAI_TTS_MODEL, or OPENAI_TTS_URL (often …/v1)."),
        (r"\(429\)", _CREDIT),
        (r"^cannot connect", _NETWORK + "OPENAI_TTS_URL."),
    ),
    "tts by openai.com": (
        (r"\(40[13]\)", "Copy OPENAI_API_KEY again, or unset VOICE_FALLBACK."),
        (r"\(404\)", "OpenAI has ended its speech models: unset VOICE_FALLBACK."),
        (r"\(429\)", _CREDIT),
    ),
    "llm": (
        (r"^(\S+: )?cannot connect", _NETWORK + "OPENAI_BASE_URL."),
        (r"\b401\b", _MODEL_KEY),
        (r"unsupported_country|country|\bregion\b", _COUNTRY),
        (r"quota|billing|balance|\bcredits?\b|\b402\b", _FUNDS),
        (_TOO_LONG, _CONTEXT),
        (r"\broles?\b|must alternate|(first|last) message|chat template", _ROLES),
        (r"thought_signature|reasoning_content|extra_content", _OPAQUE),
        (r"tool_use_failed|failed_generation|call a function|parse tool call", _TOOL_WRITTEN_BADLY),
        (_TOOLS_REFUSED, NO_TOOLS),
        (r"schema|function parameters|'?(tools|functions)\W+\d", TOOL_SCHEMA),
        (_PARAMETER_REFUSED, _PARAMETER),
        (r"check OPENAI_API_KEY", _MODEL_KEY),
        (r"\b(429|5\d\d)\b", LATER),
        (r"\b404\b|model", _MODEL),
        (r"no answer|cannot connect", _NETWORK + "OPENAI_BASE_URL (a model may still be loading)."),
    ),
}


def advice_for(what: str, failure: str) -> str:
    """Return advice for the operator about a failure.

    what: the service, such as "stt".
    failure: text of the error.
    """
    for sign, advice in (*_ALL, *_ADVICE.get(what, ())):
        if re.search(sign, failure, re.IGNORECASE):
            return advice
    return "Correct the host name in this address." if "idna" in failure else LATER
