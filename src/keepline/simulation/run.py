"""One seed, run and summed up; what was found is a value, so that the next seed can follow."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keepline.simulation.violation import ViolationError
from keepline.simulation.world import World

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from keepline.fleet.histogram import Quantiles
    from keepline.simulation.faults import Mixture
    from keepline.simulation.world import Mix

TRACE_LINES: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one seed. `violation` is None when everything held; `cpu_s` is all it took.

    `trace` has the last lines before the end, `frames` the audio frames that devices said and
    heard, `detection` how long the dead were kept.
    """

    seed: int
    violation: ViolationError | None
    step: int
    device_hours: float
    frames: int
    cpu_s: float
    trace_hash: int
    trace: list[str]
    counts: Counter[str]
    detection: Quantiles

    @property
    def faults(self) -> int:
        """How often something went wrong."""
        return sum(count for name, count in self.counts.items() if name.startswith("fault "))

    @property
    def hours_per_s(self) -> float:
        """Simulated device-hours per second of CPU."""
        return self.device_hours / self.cpu_s if self.cpu_s else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as `keepline simulate --json` prints it."""
        violation = self.violation
        found = None if violation is None else {"rule": violation.rule, "what": violation.what}
        return {
            "seed": self.seed,
            "violation": found,
            "step": self.step,
            "device_hours": round(self.device_hours, 3),
            "frames": self.frames,
            "cpu_s": round(self.cpu_s, 3),
            "device_hours_per_cpu_s": round(self.hours_per_s, 1),
            "trace_hash": f"{self.trace_hash:08x}",
            "trace": self.trace if violation is not None else [],
            "counts": dict(sorted(self.counts.items())),
        }


def simulate(
    seed: int,
    mix: Mix,
    cpu: Callable[[], float],
    *,
    mixture: Mixture | None = None,
    on_progress: Callable[[float], None] | None = None,
    lines: int = TRACE_LINES,
) -> Result:
    """Run one seed to its end, or to what does not hold; without a `mixture` it draws its own."""
    began_s = cpu()
    world = World(seed, mix, mixture=mixture)
    found: ViolationError | None = None
    try:
        world.run(on_progress)
    except ViolationError as violation:
        found = violation
    except Exception as error:  # noqa: BLE001 (what nobody caught is found as well: a fence)
        found = ViolationError("fault", f"{type(error).__name__}: {error}")
        found.__cause__ = error
    result = Result(
        seed=seed,
        violation=found,
        step=world.step,
        device_hours=world.device_hours,
        frames=sum(plug.device.frames for plug in world.plugs.values()),
        cpu_s=cpu() - began_s,
        trace_hash=world.trace.hash,
        trace=world.trace.last(lines),
        counts=world.oracle.counts,
        detection=world.oracle.detection.quantiles(),
    )
    del world
    gc.collect()  # it holds itself in many ways
    return result


def within_budget(
    seeds: Iterator[int], mix: Mix, cpu: Callable[[], float], budget_s: float
) -> Iterator[Result]:
    """Run seeds until they have used `budget_s` of CPU; at least one."""
    end_s = cpu() + budget_s
    for seed in seeds:
        yield simulate(seed, mix, cpu)
        if cpu() >= end_s:
            return
