"""A model and a voice that need no network. Put your own in their place."""

from __future__ import annotations

import math
import struct
from typing import Any

from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, llm, tts, utils

RATE_HZ = 24_000
TONE_HZ = 1_000
AMPLITUDE = 8_192  # -12 dBFS
SECONDS_PER_CHARACTER = 0.06

_SAMPLES = [
    int(AMPLITUDE * math.sin(2 * math.pi * TONE_HZ * n / RATE_HZ))
    for n in range(RATE_HZ // TONE_HZ)
]
WAVE = struct.pack(f"<{len(_SAMPLES)}h", *_SAMPLES)


class Parrot(llm.LLM):
    """Repeats what it was told last."""

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        return _Answer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Answer(llm.LLMStream):
    async def _run(self) -> None:
        messages = [item for item in self._chat_ctx.items if item.type == "message"]
        told = [message.text_content or "" for message in messages if message.role != "assistant"]
        text = f"I was told: {told[-1]}" if told else "I was told nothing."
        delta = llm.ChoiceDelta(role="assistant", content=text)
        self._event_ch.send_nowait(llm.ChatChunk(id=utils.shortuuid(), delta=delta))


class Hum(tts.TTS):
    """Hums one tone for as long as the text would take."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=RATE_HZ,
            num_channels=1,
        )

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _Humming(tts=self, input_text=text, conn_options=conn_options)


class _Humming(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=RATE_HZ,
            num_channels=1,
            mime_type="audio/pcm",
        )
        waves = int(len(self.input_text) * SECONDS_PER_CHARACTER * TONE_HZ)
        output_emitter.push(WAVE * waves)
        output_emitter.flush()
