"""The drain in the admin interface: what would happen, begin it, how far it is, stop it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.exceptions import HTTPException
from pydantic import BaseModel

from keepline.errors import DrainError
from keepline.gateway.drain.plan import Return, Wave
from keepline.gateway.drain.progress import Phase
from keepline.settings.drain import Target  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable

    from keepline.gateway.drain.plan import Plan
    from keepline.gateway.drain.progress import Progress
    from keepline.gateway.node import Node


class WaveView(BaseModel):
    """One wave: how many devices, of them by how they come back; `cut` find no slot in time."""

    wave: Wave
    devices: int
    never: int
    told: int
    by_itself: int
    cut: int


class PlanView(BaseModel):
    """What is to happen. `waves_s` is when the last slot is over, `eta_s` when all have left.

    `rate_per_s` is what may arrive elsewhere, `own_rate_per_s` what this gateway closes; after
    `wait_s` the rest is closed at once, after `limit_s` dropped. Conversations have `turn_s`.
    """

    devices: int
    waves: list[WaveView]
    rate_per_s: float
    own_rate_per_s: float
    turn_s: float
    wait_s: float
    limit_s: float
    waves_s: float
    eta_s: float
    fits: bool

    @classmethod
    def of(cls, plan: Plan, limit_s: float) -> PlanView:
        """Return what is told of a plan."""
        cut = plan.cut
        waves = [
            WaveView(
                wave=wave,
                devices=plan.count(wave),
                never=plan.count(wave, Return.NEVER),
                told=plan.count(wave, Return.TOLD),
                by_itself=plan.count(wave, Return.BY_ITSELF),
                cut=cut.get(wave, 0),
            )
            for wave in Wave
        ]
        return cls(
            devices=plan.count(),
            waves=waves,
            rate_per_s=round(plan.rate_per_s, 1),
            own_rate_per_s=round(plan.own_rate_per_s, 1),
            turn_s=plan.turn_s,
            wait_s=plan.wait_s,
            limit_s=limit_s,
            waves_s=round(plan.waves_s, 3),
            eta_s=round(plan.eta_s, 3),
            fits=plan.fits,
        )


class DrainView(BaseModel):
    """How far a drain has come.

    `left` devices are here, `talking` of them waited for; `unsaved` states are on their way to
    the store. `rate` is the share of the planned pace. Of those that went, `sent` had their slot,
    `forced` were closed at the end, `cut` of all in the middle of a turn, `dropped` without a
    Close; `told` were told something, `confirmed` answered the Close, `timed_out` did not.
    """

    phase: Phase
    asked_by: str
    binding: bool
    elapsed_s: float
    left: int
    talking: int
    unsaved: int
    rate: float
    eta_s: float
    sent: int
    forced: int
    cut: int
    dropped: int
    told: int
    confirmed: int
    timed_out: int
    plan: PlanView | None

    @classmethod
    def of(cls, progress: Progress, plan: Plan | None, limit_s: float) -> DrainView:
        """Return what is told of a drain and its plan."""
        return cls(
            phase=progress.phase,
            asked_by=progress.asked_by,
            binding=progress.binding,
            elapsed_s=progress.elapsed_s,
            left=progress.left,
            talking=progress.talking,
            unsaved=progress.unsaved,
            rate=progress.rate,
            eta_s=progress.eta_s,
            **asdict(progress.counts),
            plan=None if plan is None else PlanView.of(plan, limit_s),
        )


class Asked(BaseModel):
    """How to drain: only say what would happen; where devices are to go."""

    dry_run: bool = False
    target: Target | None = None


def drain_routes(node: Node) -> APIRouter:
    """Return the routes; 409 for what a drain cannot do where it is."""
    routes = APIRouter(prefix="/api/drain", tags=["drain"])
    drain = node.drain
    limit_s = node.settings.drain.limit_s

    def view() -> DrainView:
        progress = drain.progress()
        return DrainView.of(progress, progress.plan, limit_s)

    def changed(change: Callable[[], None]) -> DrainView:
        try:
            change()
        except DrainError as error:
            raise HTTPException(409, str(error)) from None
        return view()

    @routes.get("")
    async def progress() -> DrainView:
        """Tell how far the drain is, phase `none` when there was none."""
        drain.last_look.note(node.clock.now(), has_ended=drain.phase is Phase.ENDED)
        return view()

    @routes.post("")
    async def begin(asked: Asked) -> DrainView:
        """Begin to leave, or join the drain that is under way; a dry run only plans."""
        if asked.dry_run:
            plan = await drain.dry_run(asked.target)
            return DrainView.of(drain.progress(), plan, limit_s)
        drain.start("operator", target=asked.target)
        return view()

    @routes.post("/pause")
    async def pause() -> DrainView:
        """Let nobody go for now; its time stands still."""
        return changed(drain.pause)

    @routes.post("/resume")
    async def resume() -> DrainView:
        """Go on."""
        return changed(drain.resume)

    @routes.post("/abort")
    async def abort() -> DrainView:
        """Let devices in again; those that were told to leave have left."""
        return changed(drain.abort)

    return routes
