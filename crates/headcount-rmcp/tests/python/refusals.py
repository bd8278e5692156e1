"""What the user of Python's `mcp` reads when a guarded server has no room.

Takes the program of the example `guarded_server`, starts it with room for one
session and one call, and ends it again.
"""

import asyncio
import signal
import subprocess
import sys

from mcp import Client
from mcp.shared.exceptions import MCPError

READABLE = "try again later"
NEW = "2026-07-28"


async def refused(what: str, attempt) -> None:
    """The attempt fails, and says why."""
    try:
        await asyncio.wait_for(attempt, 30)
    except* MCPError as group:
        messages = [error.message for error in leaves(group)]
    else:
        sys.exit(f"{what}: not refused")
    print(f"{what}: {messages}")
    if not all(READABLE in message for message in messages):
        sys.exit(f"{what}: not what a user can read")


def leaves(group: BaseExceptionGroup):
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


async def connects(url: str, mode: str) -> None:
    async with Client(url, mode=mode):
        pass


async def calls(url: str, tool: str, arguments: dict) -> str:
    async with Client(url, mode=NEW) as client:
        return str(await client.call_tool(tool, arguments))


async def at_the_limit(url: str) -> None:
    async with Client(url, mode="legacy") as first:
        await refused("a session too many", connects(url, "legacy"))
        # A call has its own room; the session goes on.
        assert "hello" in await calls(url, "echo", {"text": "hello"})
        assert "hello" in str(await first.call_tool("echo", {"text": "hello"}))
    running = asyncio.create_task(calls(url, "sleep", {"milliseconds": 3000}))
    await asyncio.sleep(1)
    await refused("a call too many", calls(url, "echo", {"text": "hello"}))
    # A client of both protocols is not refused: there is room for a session.
    await connects(url, "auto")
    async with Client(url, mode="legacy") as session:
        assert "hello" in str(await session.call_tool("echo", {"text": "hello"}))
    assert "slept" in await running


def main() -> None:
    program = sys.argv[1]
    options = "--listen 127.0.0.1:0 --max-sessions 1 --max-calls 1 --per-subject 1"
    server = subprocess.Popen([program, *options.split()], stdout=subprocess.PIPE, text=True)
    try:
        listening = server.stdout.readline().strip()
        asyncio.run(at_the_limit(listening.removeprefix("listening on ")))
        server.send_signal(signal.SIGINT)
        print(server.communicate(timeout=30)[0].strip())
        if server.returncode != 0:
            sys.exit(f"the server ended with {server.returncode}")
    finally:
        server.kill()
        server.wait()


main()
