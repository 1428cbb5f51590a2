"""Refusals in the words of real servers: each has its own remedy."""

import pytest

from avr_sts_speechmatics.doctor.advice import LATER, advice_for

LLM = [
    # Wrong key, model, account, country.
    (
        (
            "401 - {'error': {'message': 'Incorrect API key provided: sk-***. You can find "
            "your API key at https://platform.openai.com/account/api-keys.'}}; check OPENAI_API_KEY"
        ),
        "Copy OPENAI_API_KEY again",
    ),
    (
        (
            "403 - {'error': {'message': 'Country, region, or territory not supported', "
            "'code': 'unsupported_country_region_territory'}}; check OPENAI_API_KEY"
        ),
        "country or region",
    ),
    (
        (
            "403 - {'error': {'message': 'Project `proj_1` does not have access to model "
            "`gpt-6-sol`'}}; check OPENAI_API_KEY"
        ),
        "for this model",
    ),
    (
        (
            "404 - {'error': {'message': 'The model `gpt-9` does not exist or you do not "
            "have access to it.', 'code': 'model_not_found'}}"
        ),
        "Correct OPENAI_MODEL",
    ),
    (
        "404 - {'error': {'message': 'model \"qwen3\" not found'}}",
        "Correct OPENAI_MODEL",
    ),
    ("Error code: 404", "OPENAI_BASE_URL"),
    (
        (
            "429 - {'error': {'message': 'You exceeded your current quota, please check "
            "your plan and billing details.', 'code': 'insufficient_quota'}}"
        ),
        "no credit left",
    ),
    ("402 - {'error': {'message': 'Insufficient Balance'}}", "no credit left"),
    ("429 - {'error': {'message': 'Rate limit reached for gpt-6-luna'}}", LATER),
    ("Error code: 503 - Service Unavailable", LATER),
    # The form of the conversation.
    (
        "400 - {'message': 'Conversation roles must alternate user/assistant/...'}",
        "chat template",
    ),
    (
        (
            "400 - {'message': 'After the optional system message, conversation roles must "
            "alternate user and assistant roles except for tool calls and results.'}"
        ),
        "chat template",
    ),
    (
        (
            "400 - {'message': 'Expected last role User or Tool (or Assistant with prefix "
            "True) for serving but got assistant'}"
        ),
        "chat template",
    ),
    (
        (
            "calls a tool, then: 400 - {'error': {'message': 'Function call is missing a "
            "thought_signature in functionCall parts.'}}"
        ),
        "without a gateway",
    ),
    (
        (
            "calls a tool, then: 400 - {'error': {'message': 'Missing reasoning_content in "
            "the assistant message'}}"
        ),
        "without a gateway",
    ),
    # Tools.
    (
        (
            "400 - {'error': {'message': 'registry.ollama.ai/library/gemma:7b does not "
            "support tools'}}"
        ),
        "choose a model that calls tools",
    ),
    (
        (
            "400 - {'message': '\"auto\" tool choice requires --enable-auto-tool-choice and "
            "--tool-call-parser to be set'}"
        ),
        "--enable-auto-tool-choice",
    ),
    (
        "Error code: 500 - {'error': {'message': 'tools param requires --jinja flag'}}",
        "--jinja",
    ),
    (
        "404 - {'message': 'No endpoints found that support tool use.'}",
        "choose a model that calls tools",
    ),
    (
        "400 - {'message': '`tools` is not supported with this model'}",
        "choose a model that calls tools",
    ),
    (
        (
            "400 - {'error': {'message': \"Failed to call a function. Please adjust your "
            "prompt. See 'failed_generation' for more details.\", 'code': 'tool_use_failed'}}"
        ),
        "asks once more",
    ),
    (
        (
            "400 - {'error': {'message': \"Invalid schema for function 'find': None is not "
            "of type 'array'\"}}"
        ),
        "tool's parameters",
    ),
    # Length.
    (
        (
            "400 - {'error': {'message': \"This model's maximum context length is 4096 "
            'tokens. However, your messages resulted in 5000 tokens."}}'
        ),
        "longer context",
    ),
    (
        (
            "400 - {'error': {'message': 'the request exceeds the available context size. "
            "try increasing the context size or enable context shift'}}"
        ),
        "longer context",
    ),
    (
        "400 - {'error': {'message': 'prompt is too long: 9000 tokens'}}",
        "longer context",
    ),
    # Parameters.
    (
        (
            "400 - {'error': {'message': \"Unsupported parameter: 'top_k' is not supported "
            'with this model."}}'
        ),
        "Unset OPENAI_TEMPERATURE",
    ),
    (
        (
            "400 - {'error': {'message': \"Unsupported value: 'temperature' does not "
            'support 0.2 with this model. Only the default (1) value is supported."}}'
        ),
        "Unset OPENAI_TEMPERATURE",
    ),
    (
        (
            "400 - {'error': {'message': 'Unrecognized request argument supplied: "
            "reasoning_effort'}}"
        ),
        "Unset OPENAI_TEMPERATURE",
    ),
    (
        (
            "422 - {'detail': [{'type': 'extra_forbidden', 'msg': 'Extra inputs are not "
            "permitted'}]}"
        ),
        "Unset OPENAI_TEMPERATURE",
    ),
    # The way there.
    ("no answer: Connection error.", "OPENAI_BASE_URL"),
    ("no answer: Request timed out.", "OPENAI_BASE_URL"),
    (
        (
            "no answer: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed "
            "certificate in certificate chain"
        ),
        "SSL_CERT_FILE",
    ),
    ("the answer stalled", LATER),
]


@pytest.mark.parametrize(("failure", "advice"), LLM)
def test_a_refusal_of_a_model_has_its_own_remedy(failure: str, advice: str) -> None:
    assert advice in advice_for("llm", failure)


@pytest.mark.parametrize(
    ("what", "failure", "advice"),
    [
        ("stt", "insufficient_funds: no credit", "billing"),
        ("stt", "cannot connect: certificate verify failed", "SSL_CERT_FILE"),
        ("tts", "cannot connect: certificate verify failed", "SSL_CERT_FILE"),
        ("tts", "too many requests (429)", LATER),
        ("pbx", "anything", LATER),
        ("stt", "label too long (idna)", "host name"),
        ("stt", "invalid_language: xx; check SPEECHMATICS_LANGUAGE", "STT=realtime"),
        ("stt", "the key is not accepted; check OPENAI_STT_API_KEY (401)", "OPENAI_STT_URL"),
        ("stt", "no such model; check OPENAI_STT_MODEL", "OPENAI_STT_MODEL"),
        ("stt", "cannot connect to a:80: the connection is refused", "OPENAI_STT_URL"),
    ],
)
def test_a_refusal_of_speech_has_its_own_remedy(what: str, failure: str, advice: str) -> None:
    assert advice in advice_for(what, failure)
