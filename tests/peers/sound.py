"""Tones in and tones out, at 48 kHz, mono."""

from __future__ import annotations

import asyncio
import math

import numpy as np
from livekit import rtc

RATE_HZ = 48_000
FRAME_SAMPLES = 480
WINDOW_SAMPLES = 19_200  # 400 ms
TICK_S = 0.05
HEARD_MS = 50  # taken at once: a piece costs as much as what is in it, and there may be 32 tracks
SILENT_AFTER_TICKS = 6  # a track that gives no frames for so long is not heard


class ToneSource:
    """A steady tone, published as a microphone track."""

    def __init__(self, name: str, hz: float, level_dbfs: float) -> None:
        self.hz = hz
        self.amplitude = 32_767 * 10 ** (level_dbfs / 20)
        self.source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=200)
        self.track = rtc.LocalAudioTrack.create_audio_track(name, self.source)
        self.task = asyncio.create_task(self._play())

    async def _play(self) -> None:
        sample = 0
        while True:
            at = np.arange(sample, sample + FRAME_SAMPLES)
            sample += FRAME_SAMPLES
            pcm = np.sin(at * (2 * math.pi * self.hz / RATE_HZ)) * self.amplitude
            frame = rtc.AudioFrame(
                pcm.astype(np.int16).tobytes(), RATE_HZ, 1, samples_per_channel=FRAME_SAMPLES
            )
            # waits while the queue is full: this is what keeps time
            await self.source.capture_frame(frame)


class Ticks:
    """Counts time as this program lives it: while the machine leaves it no time to take frames,
    none passes."""

    def __init__(self) -> None:
        self.count = 0
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self.task is None:
            self.task = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.count += 1


TICKS = Ticks()


class Ear:
    """Listens to one track and keeps its last 400 ms."""

    def __init__(self, track: rtc.Track, identity: str, name: str) -> None:
        self.identity = identity
        self.name = name
        self.sid = track.sid
        self.received_samples = 0
        self.last_tick = -SILENT_AFTER_TICKS
        self.window = np.zeros(0, dtype=np.int16)
        self.stream = rtc.AudioStream(
            track, sample_rate=RATE_HZ, num_channels=1, frame_size_ms=HEARD_MS
        )
        self.task = asyncio.create_task(self._listen())
        TICKS.start()

    async def _listen(self) -> None:
        async for heard in self.stream:
            pcm = np.frombuffer(heard.frame.data, dtype=np.int16)
            self.received_samples += len(pcm)
            if self._is_silent():
                self.window = self.window[:0]  # what was heard before the silence is over
            self.last_tick = TICKS.count
            self.window = np.concatenate([self.window, pcm])[-WINDOW_SAMPLES:]

    def _is_silent(self) -> bool:
        return TICKS.count - self.last_tick > SILENT_AFTER_TICKS

    def level_dbfs(self, hz: float) -> float:
        """Level of the tone of `hz`; 0 is a full-scale sine, -200 is nothing."""
        count = len(self.window)
        if count < WINDOW_SAMPLES or self._is_silent():
            return -200.0
        turn = 2 * math.pi * np.arange(count) / count
        weights = (
            0.35875
            - 0.48829 * np.cos(turn)
            + 0.14128 * np.cos(2 * turn)
            - 0.01168 * np.cos(3 * turn)
        )
        phasor = np.exp(-2j * math.pi * hz / RATE_HZ * np.arange(count))
        amplitude = 2 * abs(np.sum(self.window / 32_767 * weights * phasor)) / np.sum(weights)
        return 20 * math.log10(amplitude) if amplitude > 1e-10 else -200.0

    def rms_dbfs(self) -> float:
        """Loudness of everything heard; 0 is a full-scale square wave, -200 is nothing."""
        if not len(self.window) or self._is_silent():
            return -200.0
        rms = math.sqrt(np.mean((self.window / 32_768.0) ** 2))
        return 20 * math.log10(rms) if rms > 1e-10 else -200.0

    def report(self, candidates_hz: list[float]) -> dict[str, object]:
        return {
            "identity": self.identity,
            "name": self.name,
            "sid": self.sid,
            "levels": [[hz, self.level_dbfs(hz)] for hz in candidates_hz],
            "rms": self.rms_dbfs(),
            "received_ms": self.received_samples * 1000 // RATE_HZ,
        }

    async def close(self) -> None:
        self.task.cancel()
        await self.stream.aclose()
