"""Tells the driver everything a participant can see of its room."""

from __future__ import annotations

import asyncio

from livekit import rtc

from lines import event


def describe(participant: rtc.Participant) -> dict[str, object]:
    """What a participant shows of itself."""
    return {
        "identity": participant.identity,
        "sid": participant.sid,
        "name": participant.name,
        "kind": rtc.ParticipantKind.Name(participant.kind),
        "attributes": dict(participant.attributes),
        "tracks": [
            {"sid": p.sid, "name": p.name, "muted": p.muted}
            for p in participant.track_publications.values()
        ],
    }


def watch(room: rtc.Room, topics: list[str]) -> None:
    """Turns what happens in `room` into events, text streams on `topics` included."""
    _watch_participants(room)
    _watch_tracks(room)
    _watch_data(room, topics)

    @room.on("disconnected")
    def _(reason: rtc.DisconnectReason) -> None:
        event("disconnected", reason=rtc.DisconnectReason.Name(reason))

    @room.on("reconnecting")
    def _() -> None:
        event("reconnecting")

    @room.on("reconnected")
    def _() -> None:
        event("reconnected")

    @room.on("active_speakers_changed")
    def _(speakers: list[rtc.Participant]) -> None:
        event("speakers", identities=[s.identity for s in speakers])


def _watch_participants(room: rtc.Room) -> None:
    @room.on("participant_connected")
    def _(participant: rtc.RemoteParticipant) -> None:
        event("participant_connected", **describe(participant))

    @room.on("participant_disconnected")
    def _(participant: rtc.RemoteParticipant) -> None:
        event("participant_disconnected", identity=participant.identity)


def _watch_tracks(room: rtc.Room) -> None:
    def tell(name: str, pub: rtc.TrackPublication, who: rtc.Participant) -> None:
        event(name, identity=who.identity, sid=pub.sid, name=pub.name)

    @room.on("track_published")
    def _(pub: rtc.RemoteTrackPublication, who: rtc.RemoteParticipant) -> None:
        tell("track_published", pub, who)

    @room.on("track_unpublished")
    def _(pub: rtc.RemoteTrackPublication, who: rtc.RemoteParticipant) -> None:
        tell("track_unpublished", pub, who)

    @room.on("track_subscribed")
    def _(_: rtc.Track, pub: rtc.RemoteTrackPublication, who: rtc.RemoteParticipant) -> None:
        tell("track_subscribed", pub, who)

    @room.on("track_unsubscribed")
    def _(_: rtc.Track, pub: rtc.RemoteTrackPublication, who: rtc.RemoteParticipant) -> None:
        tell("track_unsubscribed", pub, who)

    @room.on("track_muted")
    def _(who: rtc.Participant, pub: rtc.TrackPublication) -> None:
        tell("track_muted", pub, who)

    @room.on("track_unmuted")
    def _(who: rtc.Participant, pub: rtc.TrackPublication) -> None:
        tell("track_unmuted", pub, who)

    @room.on("local_track_subscribed")
    def _(track: rtc.LocalTrack) -> None:
        event("local_track_subscribed", sid=track.sid)


def _watch_data(room: rtc.Room, topics: list[str]) -> None:
    @room.on("data_received")
    def _(packet: rtc.DataPacket) -> None:
        sender = packet.participant.identity if packet.participant else None
        text = bytes(packet.data).decode(errors="replace")
        event("data", identity=sender, topic=packet.topic, text=text)

    @room.on("transcription_received")
    def _(
        segments: list[rtc.TranscriptionSegment],
        who: rtc.Participant | None,
        pub: rtc.TrackPublication | None,
    ) -> None:
        for segment in segments:
            event(
                "transcription",
                identity=who.identity if who else None,
                sid=pub.sid if pub else None,
                segment=segment.id,
                text=segment.text,
                final=segment.final,
            )

    reading: set[asyncio.Task[None]] = set()

    def on_text(reader: rtc.TextStreamReader, identity: str) -> None:
        async def read() -> None:
            text = await reader.read_all()
            attributes = dict(reader.info.attributes or {})
            event(
                "text",
                identity=identity,
                topic=reader.info.topic,
                attributes=attributes,
                text=text,
            )

        task = asyncio.create_task(read())
        reading.add(task)
        task.add_done_callback(reading.discard)

    for topic in topics:
        room.register_text_stream_handler(topic, on_text)
