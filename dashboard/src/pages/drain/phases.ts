// The phases of a drain in their order, and what can be done in which.

export const PHASES = ["unready", "planning", "leaving", "forcing", "saving", "ended"] as const;

const UNDER_WAY = new Set(["unready", "planning", "leaving", "paused", "forcing", "saving"]);
const CHANGEABLE = new Set(["unready", "planning", "leaving", "paused"]);

export function isUnderWay(phase: string): boolean {
  return UNDER_WAY.has(phase);
}

export function canBeChanged(phase: string): boolean {
  return CHANGEABLE.has(phase);
}

/** Which step of PHASES that is; one that is paused still leaves. */
export function stepOf(phase: string): number {
  return PHASES.findIndex((each) => each === (phase === "paused" ? "leaving" : phase));
}
