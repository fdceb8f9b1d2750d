"""An agent of the livekit-agents package in a session without models, driven over lines.py.

It does what every such agent does when it enters a room: it links to the first participant that
it takes for the user, listens to it, and publishes its own (silent) voice.

join {url, token}    linked -> {identity}    participants -> {participants}    leave
"""

from __future__ import annotations

import asyncio
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession

from lines import event, serve
from presence import describe, watch


class AgentPeer:
    def __init__(self) -> None:
        self.room = rtc.Room()
        self.session = AgentSession()
        watch(self.room, ["lk.transcription"])

        @self.session.on("close")
        def _(_: Any) -> None:
            event("session_closed")

    async def join(self, ask: dict[str, Any]) -> dict[str, Any]:
        await self.room.connect(ask["url"], ask["token"])
        agent = Agent(instructions="Listen. There is no model to think with.")
        await self.session.start(agent, room=self.room, record=False)
        return {"sid": self.room.local_participant.sid}

    async def linked(self, _: dict[str, Any]) -> dict[str, Any]:
        linked = self.session.room_io.linked_participant
        return {"identity": linked.identity if linked else None}

    async def participants(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"participants": [describe(p) for p in self.room.remote_participants.values()]}

    async def leave(self, _: dict[str, Any]) -> None:
        await self.session.aclose()
        await self.room.disconnect()


async def main() -> None:
    peer = AgentPeer()
    names = ["join", "linked", "participants", "leave"]
    await serve({name: getattr(peer, name) for name in names})


if __name__ == "__main__":
    asyncio.run(main())
