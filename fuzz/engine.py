"""Runs a fuzz target: with atheris where it is installed, else with a mutation loop of its own.

A target takes bytes, raises when an invariant is broken, and returns what it saw. The loop keeps
inputs that show something new, as atheris keeps those that reach new code.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import random
import sys
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

Target = Callable[[bytes], Hashable]


@dataclass(frozen=True)
class Found:
    """An input that breaks the target."""

    data: bytes
    error: Exception


def cut(stream: bytes, *, seed: bytes) -> list[bytes]:
    """Cut into pieces as a network might; some of them are empty."""
    r = random.Random(seed)
    longest = r.choice((1, 3, 16, 200))
    pieces = []
    at = 0
    while at < len(stream):
        size = r.randint(0, longest)
        pieces.append(stream[at : at + size])
        at += size
    return pieces


def mutate(
    data: bytes, corpus: Sequence[bytes], tokens: Sequence[bytes], r: random.Random
) -> bytes:
    """Return a changed copy: a few random edits, each small or with a part of another input."""
    out = bytearray(data)
    for _ in range(r.choice((1, 1, 1, 2, 3, 8))):
        at = r.randint(0, len(out))
        end = min(len(out), at + r.choice((1, 1, 2, 4, 8, 64)))
        match r.randrange(7):
            case 0 if at < len(out):
                out[at] ^= 1 << r.randrange(8)
            case 1 if at < len(out):
                out[at] = r.choice(
                    (0, 1, 0x7D, 0x7E, 0x7F, 0x80, 0xFD, 0xFE, 0xFF, r.randrange(256))
                )
            case 2:
                del out[at:end]
            case 3:
                out[at:at] = out[at:end]
            case 4:
                out[at:at] = r.choice(tokens)
            case 5:
                out[at:end] = r.choice(tokens)
            case _:
                other = r.choice(corpus)
                start = r.randint(0, len(other))
                out[at:] = other[start:]
    return bytes(out)


def explore(
    target: Target, corpus: Sequence[bytes], tokens: Sequence[bytes], *, seconds: float, seed: int
) -> tuple[Found | None, int, int]:
    """Return the first failure if there is one, the number of runs, and of inputs kept."""
    r = random.Random(seed)
    kept = list(corpus)
    seen = set()
    runs = 0
    deadline = time.monotonic() + seconds
    pending = list(corpus)
    while pending or time.monotonic() < deadline:
        data = pending.pop() if pending else mutate(r.choice(kept), kept, tokens, r)
        runs += 1
        try:
            outcome = target(data)
        except Exception as error:  # noqa: BLE001 (any failure of the target is a find)
            return Found(data, error), runs, len(kept)
        if outcome not in seen:
            seen.add(outcome)
            kept.append(data)
    return None, runs, len(kept)


def main(target: Target, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    """Parse the command line and run; ends with status 1 and the input when something breaks."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--replay", metavar="HEX", help="run one input only")
    arguments = options.parse_args()
    if arguments.replay is not None:
        print(target(bytes.fromhex(arguments.replay)))
        return
    if importlib.util.find_spec("atheris") is not None:
        _run_atheris(target, corpus, arguments.seconds, arguments.seed)
        return
    found, runs, kept = explore(
        target, corpus, tokens, seconds=arguments.seconds, seed=arguments.seed
    )
    print(f"{runs} runs, {kept} inputs kept, seed {arguments.seed}")
    if found is not None:
        print(f"broken by: --replay {found.data.hex()}", file=sys.stderr)
        raise found.error


def _run_atheris(target: Target, corpus: Sequence[bytes], seconds: float, seed: int) -> None:
    atheris = importlib.import_module("atheris")
    # It ends the process itself, and what it found worth keeping stays here.
    kept = Path(mkdtemp(prefix="keepline-fuzz-"))
    print(f"corpus in {kept}")
    for i, data in enumerate(corpus):
        (kept / f"start-{i}").write_bytes(data)

    def run(data: bytes) -> None:
        target(data)

    atheris.instrument_all()
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}", str(kept)], run
    )
    atheris.Fuzz()
