"""A gateway inside your own program: what is typed is shown on every device.

python examples/town_crier.py
"""

from __future__ import annotations

import asyncio
import sys
from typing import TextIO

from keepline import Gateway
from keepline.handlers.echo import Echo
from keepline.messages import Alert


async def cry(gateway: Gateway, lines: TextIO) -> None:
    """Show each line on every device that is connected, until there are no more lines."""
    while line := await asyncio.to_thread(lines.readline):
        for session in gateway.sessions:
            session.send(Alert(status="News", message=line.strip(), emotion="neutral"))
        print(f"told {len(gateway.sessions)} devices")


async def main() -> None:
    """Serve devices for as long as somebody types."""
    async with Gateway(Echo) as gateway:
        print(f"devices connect at {gateway.url}")
        await cry(gateway, sys.stdin)


if __name__ == "__main__":
    asyncio.run(main())
