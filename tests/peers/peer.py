"""A plain participant on the LiveKit Python SDK, driven over lines.py.

join {url, token, auto_subscribe?}   publish_tone {name, hz, level} -> {sid}
mute {name, muted}                   unpublish {name}
participants -> {participants}       heard {hz: [...]} -> {tracks}
send_text {topic, text, attributes?} send_data {topic, text}
stream_text {topic, parts, attributes, closing?, sender?}
transcribe {identity, track, segment, text, final}
serve_rpc {method, reply}            perform_rpc {to, method, payload} -> {reply}
allow {identity | null}              press {digit}
leave
"""

from __future__ import annotations

import asyncio
from typing import Any

from livekit import rtc

from lines import event, serve
from presence import describe, watch
from sound import Ear, ToneSource

TOPICS = ["lk.transcription", "lk.chat", "test"]


class Peer:
    def __init__(self) -> None:
        self.room = rtc.Room()
        self.tones: dict[str, ToneSource] = {}
        self.ears: dict[str, Ear] = {}
        watch(self.room, TOPICS)
        self.room.on("track_subscribed", self._hear)
        self.room.on("track_unsubscribed", self._stop_hearing)

    def _hear(
        self, track: rtc.Track, pub: rtc.RemoteTrackPublication, who: rtc.RemoteParticipant
    ) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self.ears[pub.sid] = Ear(track, who.identity, pub.name)

    def _stop_hearing(self, _: rtc.Track, pub: rtc.RemoteTrackPublication, __: Any) -> None:
        if ear := self.ears.pop(pub.sid, None):
            asyncio.get_running_loop().create_task(ear.close())

    async def join(self, ask: dict[str, Any]) -> dict[str, Any]:
        options = rtc.RoomOptions(auto_subscribe=ask.get("auto_subscribe", True))
        await self.room.connect(ask["url"], ask["token"], options=options)
        return {"sid": self.room.local_participant.sid}

    async def publish_tone(self, ask: dict[str, Any]) -> dict[str, Any]:
        tone = ToneSource(ask["name"], ask["hz"], ask.get("level", -12.0))
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE,
            dtx=False,
            red=False,
        )
        options.audio_encoding.max_bitrate = 96_000
        published = await self.room.local_participant.publish_track(tone.track, options)
        self.tones[ask["name"]] = tone
        return {"sid": published.sid}

    async def mute(self, ask: dict[str, Any]) -> None:
        track = self.tones[ask["name"]].track
        if ask["muted"]:
            track.mute()
        else:
            track.unmute()

    async def unpublish(self, ask: dict[str, Any]) -> None:
        tone = self.tones.pop(ask["name"])
        tone.task.cancel()
        await self.room.local_participant.unpublish_track(tone.track.sid)

    async def participants(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"participants": [describe(p) for p in self.room.remote_participants.values()]}

    async def heard(self, ask: dict[str, Any]) -> dict[str, Any]:
        return {"tracks": [ear.report(ask["hz"]) for ear in self.ears.values()]}

    async def send_text(self, ask: dict[str, Any]) -> None:
        await self.room.local_participant.send_text(
            ask["text"], topic=ask["topic"], attributes=ask.get("attributes", {})
        )

    async def stream_text(self, ask: dict[str, Any]) -> None:
        writer = await self.room.local_participant.stream_text(
            topic=ask["topic"], attributes=ask["attributes"], sender_identity=ask.get("sender")
        )
        for part in ask["parts"]:
            await writer.write(part)
        await writer.aclose(attributes=ask.get("closing", {}))

    async def transcribe(self, ask: dict[str, Any]) -> None:
        segment = rtc.TranscriptionSegment(
            id=ask["segment"],
            text=ask["text"],
            start_time=0,
            end_time=0,
            language="en",
            final=ask["final"],
        )
        await self.room.local_participant.publish_transcription(
            rtc.Transcription(ask["identity"], ask["track"], [segment])
        )

    async def send_data(self, ask: dict[str, Any]) -> None:
        await self.room.local_participant.publish_data(ask["text"], topic=ask["topic"])

    async def serve_rpc(self, ask: dict[str, Any]) -> None:
        def answer(call: rtc.RpcInvocationData) -> str:
            event("rpc", method=ask["method"], identity=call.caller_identity, payload=call.payload)
            return ask["reply"]

        self.room.local_participant.register_rpc_method(ask["method"], answer)

    async def perform_rpc(self, ask: dict[str, Any]) -> dict[str, Any]:
        reply = await self.room.local_participant.perform_rpc(
            destination_identity=ask["to"], method=ask["method"], payload=ask["payload"]
        )
        return {"reply": reply}

    async def allow(self, ask: dict[str, Any]) -> None:
        identity = ask.get("identity")
        permissions = (
            []
            if identity is None
            else [rtc.ParticipantTrackPermission(participant_identity=identity, allow_all=True)]
        )
        self.room.local_participant.set_track_subscription_permissions(
            allow_all_participants=identity is None, participant_permissions=permissions
        )

    async def press(self, ask: dict[str, Any]) -> None:
        code = "0123456789*#ABCD".index(ask["digit"])
        await self.room.local_participant.publish_dtmf(code=code, digit=ask["digit"])

    async def leave(self, _: dict[str, Any]) -> None:
        for tone in self.tones.values():
            tone.task.cancel()
        for ear in list(self.ears.values()):  # a track may go meanwhile
            await ear.close()
        await self.room.disconnect()


async def main() -> None:
    peer = Peer()
    names = [
        "join", "publish_tone", "mute", "unpublish", "participants", "heard", "send_text",
        "stream_text", "transcribe", "send_data", "serve_rpc", "perform_rpc", "allow", "press", "leave",
    ]  # fmt: skip
    await serve({name: getattr(peer, name) for name in names})


if __name__ == "__main__":
    asyncio.run(main())
