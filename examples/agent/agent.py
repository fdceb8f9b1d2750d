"""An agent of livekit-agents that supervisors can coach, relieve and give the call back to.

    pip install livekit-agents
    LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=... LIVEKIT_API_SECRET=... python agent.py dev

It serves every room that is opened. What makes it one that works with Sidetone is the line with
`Supervised`; its model and its voice are in offline.py and need no network.
"""

from __future__ import annotations

from livekit import rtc
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli

from offline import Hum, Parrot
from sidetone import Supervised

server = AgentServer()


async def serve(room: rtc.Room) -> Supervised:
    """Serves the customer of a room that was joined."""
    session = AgentSession(llm=Parrot(), tts=Hum(), vad=None)
    agent = Agent(instructions="You help people who call.")
    await session.start(agent, room=room, record=False)
    supervised = Supervised(room, session)
    session.say("Hello, how can I help you?")
    return supervised


@server.rtc_session()
async def entrypoint(job: JobContext) -> None:
    await job.connect()
    supervised = await serve(job.room)
    job.add_shutdown_callback(supervised.aclose)


if __name__ == "__main__":
    cli.run_app(server)
