"""A voice assistant: hears with a speech service, answers with it, and can turn the volume.

uvicorn examples.speech_service:app --port 8003
keepline serve examples.voice_assistant:Assistant
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import httpx

from keepline import Handler, ToolError
from keepline.messages import Listen, Llm, Stt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keepline import Session
    from keepline.messages import DeviceMessage

MOST_FRAMES = 500  # 30 s
VOLUME = "self.audio_speaker.set_volume"

# One for all devices: it keeps its connections.
service = httpx.AsyncClient(base_url=os.environ.get("SPEECH_SERVICE", "http://127.0.0.1:8003"))


class Assistant(Handler):
    """Waits until somebody has spoken, then answers. Who interrupts it is listened to at once."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    async def text(self, session: Session, message: DeviceMessage) -> None:
        """A turn begins, ends, or came as text."""
        match message:
            case Listen(state="start"):
                self.frames = []
            case Listen(state="stop") if self.frames:
                await self._answer(session, await heard_in(self.frames))
            case Listen(state="detect", text=str(said)):
                await self._answer(session, said)

    def audio(self, session: Session, frame: bytes) -> None:  # noqa: ARG002 (a call has it)
        """Keep what the microphone hears."""
        if len(self.frames) < MOST_FRAMES:
            self.frames.append(frame)

    async def _answer(self, session: Session, said: str) -> None:
        session.send(Stt(said))
        reply = await self._volume(session) if "louder" in said else f"You said {said}"
        session.send(Llm(emotion="happy"))
        # Not awaited: the calls that come meanwhile are not held up, and an `abort` of the device
        # cuts the speech, its subtitle and the request behind it.
        session.speak(spoken(reply), text=reply)

    async def _volume(self, session: Session) -> str:
        try:
            await session.call_tool(VOLUME, {"volume": 80})
        except ToolError as error:
            return f"I cannot: {error}"
        return "Better?"


async def heard_in(frames: list[bytes]) -> str:
    """Return what was said in a turn's frames."""
    recording = {"frames": [b64encode(frame).decode() for frame in frames]}
    answer = await service.post("/hear", json=recording)
    return str(answer.raise_for_status().json()["text"])


async def spoken(text: str) -> AsyncIterator[bytes]:
    """Yield the frames of `text` as the service makes them; `speak` asks for them as it goes."""
    async with service.stream("POST", "/say", json={"text": text}) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            yield b64decode(line)
