"""The example agent (examples/agent), driven over lines.py.

join {url, token}    say {text}    state -> {paused, speaking, context}    leave
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from livekit import rtc

from lines import serve
from presence import watch

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "agent"))

import agent  # noqa: E402: found by the line above


class ExamplePeer:
    def __init__(self) -> None:
        self.room = rtc.Room()
        self.supervised: agent.Supervised | None = None
        watch(self.room, [])

    async def join(self, ask: dict[str, Any]) -> dict[str, Any]:
        await self.room.connect(ask["url"], ask["token"])
        self.supervised = await agent.serve(self.room)
        return {"sid": self.room.local_participant.sid}

    async def say(self, ask: dict[str, Any]) -> None:
        self.supervised.session.say(ask["text"])

    async def state(self, _: dict[str, Any]) -> dict[str, Any]:
        session = self.supervised.session
        messages = [item for item in session.current_agent.chat_ctx.items if item.type == "message"]
        return {
            "paused": self.supervised.paused,
            "speaking": session.agent_state == "speaking",
            "context": [[message.role, message.text_content] for message in messages],
        }

    async def leave(self, _: dict[str, Any]) -> None:
        await self.supervised.aclose()
        await self.supervised.session.aclose()
        await self.room.disconnect()


async def main() -> None:
    peer = ExamplePeer()
    await serve({name: getattr(peer, name) for name in ["join", "say", "state", "leave"]})


if __name__ == "__main__":
    asyncio.run(main())
