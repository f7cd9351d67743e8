from __future__ import annotations

from typing import TYPE_CHECKING

from keepline.reasons import CloseReason
from tests.unit.gateway.fakes import Life, Recorder, World, settle
from tests.unit.gateway.virtual_time import LoopClock, pass_time, passed_s, virtual

if TYPE_CHECKING:
    from keepline.gateway.session import Session
    from keepline.wire.messages import DeviceMessage

ABORT = '{"type":"abort"}'


class Timed(Recorder):
    """Notes when its timers fire."""

    def ring(self, session: Session, what: str = "") -> None:
        self.calls.append((f"ring {what}", passed_s()))


class Busy(Timed):
    async def text(self, session: Session, message: DeviceMessage) -> None:  # type: ignore[override]
        await pass_time(1)
        super().text(session, message)


def a_life(handler: type[Timed] = Timed) -> tuple[Life, Timed]:
    life = World(handler, clock=LoopClock()).connect()
    assert isinstance(life.handler, Timed)
    return life, life.handler


@virtual
async def test_a_timer_calls_once_when_it_is_time_with_its_arguments() -> None:
    life, handler = a_life()
    life.session.after(2, handler.ring, "egg")
    life.session.after(1, handler.ring)
    await pass_time(5)
    assert handler.calls[1:] == [("ring ", 1.0), ("ring egg", 2.0)]
    life.session.release_buffers()
    assert life.session._beside is None


@virtual
async def test_a_timer_waits_its_turn_behind_the_call_under_way() -> None:
    life, handler = a_life(Busy)
    life.says(ABORT)
    life.session.after(0.5, handler.ring)
    await pass_time(2)
    assert handler.names == ["opened", "text", "ring "]


@virtual
async def test_a_cancelled_timer_never_fires() -> None:
    life, handler = a_life()
    timer = life.session.after(1, handler.ring)
    timer.cancel()
    timer.cancel()
    await pass_time(2)
    assert handler.names == ["opened"]
    life.session.release_buffers()
    assert life.session._beside is None


@virtual
async def test_a_timer_keeps_what_an_idle_session_would_give_back() -> None:
    life, handler = a_life()
    life.session.after(1, handler.ring)
    life.session.release_buffers()
    await pass_time(2)
    assert handler.names == ["opened", "ring "]


@virtual
async def test_a_session_that_ends_leaves_no_timer() -> None:
    life, handler = a_life()
    timer = life.session.after(1, handler.ring)
    life.session.close()
    assert timer._handle.cancelled()
    late = life.session.after(1, handler.ring)
    assert late._handle.cancelled()
    life.loses_tcp()
    await pass_time(2)
    assert handler.names == ["opened", "closed"]


@virtual
async def test_a_timer_may_set_the_next() -> None:
    class Clock(Timed):
        def ring(self, session: Session, what: str = "") -> None:
            super().ring(session, what)
            session.after(1, self.ring)

    life, handler = a_life(Clock)
    life.session.after(1, handler.ring)
    await pass_time(3.5)
    assert [at for _, at in handler.calls[1:]] == [1.0, 2.0, 3.0]
    life.loses_tcp()


@virtual
async def test_a_timer_that_fails_ends_its_session() -> None:
    class Failing(Timed):
        async def ring(self, session: Session, what: str = "") -> None:  # type: ignore[override]
            raise RuntimeError("no")

    life, handler = a_life(Failing)
    life.session.after(1, handler.ring)
    await pass_time(1)
    await settle()
    assert life.connection.lifecycle.reason is CloseReason.HANDLER_FAILED
