"""JSON lines over standard input and output: commands in, answers and events out.

A command is {"id": 1, "do": "join", ...}; its answer is {"answer": 1, ...} or
{"answer": 1, "error": "..."}. Events are {"event": "...", ...} and come when they happen.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]

# Libraries may print; lines of ours go to the real standard output, theirs to standard error.
_out = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def say(**fields: Any) -> None:
    """Writes one line."""
    _out.write(json.dumps(fields) + "\n")


def event(happened: str, /, **fields: Any) -> None:
    """Tells of something that happened."""
    say(event=happened, **fields)


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def serve(commands: dict[str, Command]) -> None:
    """Carries out commands, one after the other, until the input ends."""
    reader = await _stdin()
    while line := await reader.readline():
        request = json.loads(line)
        number = request.get("id")
        try:
            if request["do"] == "hello":
                answer = None
            else:
                answer = await commands[request["do"]](request)
            say(answer=number, **(answer or {}))
        except Exception as error:  # noqa: BLE001: whatever failed is the driver's to judge
            say(answer=number, error=f"{type(error).__name__}: {error}")
