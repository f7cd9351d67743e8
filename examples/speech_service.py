"""Stands in for speech recognition and synthesis, so that `voice_assistant` has somebody to ask.

uvicorn examples.speech_service:app --port 8003

It takes Opus frames for the UTF-8 text they are not, and speaks by sending each word as a frame.
A real service goes behind the same two requests, or others: nothing here is Keepline's.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

app = FastAPI(title="A speech service that only pretends")


class Recording(BaseModel):
    """What a microphone heard: Opus frames in base64."""

    frames: list[str]


class Words(BaseModel):
    """Something said, or to be said."""

    text: str


@app.post("/hear")
async def hear(recording: Recording) -> Words:
    """Return what was said."""
    return Words(text=b"".join(map(b64decode, recording.frames)).decode(errors="replace"))


@app.post("/say")
async def say(words: Words) -> StreamingResponse:
    """Return frames, one a line in base64, as they are made."""
    return StreamingResponse(_spoken(words.text), media_type="text/plain")


async def _spoken(text: str) -> AsyncIterator[str]:
    for word in text.split():
        yield b64encode(word.encode()).decode() + "\n"
