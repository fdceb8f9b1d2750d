"""What an agent of livekit-agents adds to work with Sidetone's supervisors.

    session = AgentSession(...)
    await session.start(agent, room=room)
    supervised = Supervised(room, session)

While a supervisor has the call the agent neither listens nor speaks. When it has the call again it
knows what was said meanwhile, and goes on. What a supervisor writes is in its context.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession

TOPIC = "sidetone"


class Supervised:
    def __init__(self, room: rtc.Room, session: AgentSession) -> None:
        self.room = room
        self.session = session
        self.paused = False
        self._known: deque[str] = deque(maxlen=100)
        self._orders: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._working = asyncio.create_task(self._work())
        for method in ("sidetone.control", "sidetone.whisper"):
            room.local_participant.register_rpc_method(method, self._asked)
        room.on("data_received", self._sent)

    async def aclose(self) -> None:
        self.room.off("data_received", self._sent)
        self._working.cancel()

    def _asked(self, call: rtc.RpcInvocationData) -> str:
        # Sidetone calls through the server: whoever is in the room is somebody else
        if call.caller_identity in self.room.remote_participants:
            raise rtc.RpcError(1403, "only Sidetone may do that")
        self._orders.put_nowait(json.loads(call.payload))
        return "ok"

    def _sent(self, packet: rtc.DataPacket) -> None:
        # the same, when we did not answer within a second
        if packet.topic == TOPIC and packet.participant is None:
            self._orders.put_nowait(json.loads(packet.data))

    async def _work(self) -> None:
        """Carries out one order after the other, in the order in which they came."""
        while True:
            order = await self._orders.get()
            if "state" in order:
                await self._control(order["state"] == "paused", order.get("summary"))
            elif order.get("id") not in self._known:
                self._known.append(order["id"])
                await self._whisper(order["text"], order.get("trigger", False))

    async def _control(self, paused: bool, summary: str | None) -> None:
        if paused and not self.paused:
            self.paused = True
            self.session.input.set_audio_enabled(False)
            self.session.output.set_audio_enabled(False)
            await self.session.interrupt(force=True)
        if paused:
            return
        if summary is not None:
            await self._learn(f"A supervisor had the call. Meanwhile it was said:\n{summary}")
        if self.paused:
            self.paused = False
            self.session.input.set_audio_enabled(True)
            self.session.output.set_audio_enabled(True)
            self.session.generate_reply(
                instructions="You have the call again. Go on from where it is now."
            )

    async def _whisper(self, text: str, trigger: bool) -> None:
        await self._learn(f"Your supervisor tells you, and the customer does not know: {text}")
        if trigger and not self.paused:
            self.session.generate_reply()

    async def _learn(self, text: str) -> None:
        agent = self.session.current_agent
        context = agent.chat_ctx.copy()
        context.add_message(role="system", content=text)
        await agent.update_chat_ctx(context)
