// The transitions of a connection as stays: in which state it was for how long.

import type { Step } from "../../api/answers.ts";

export interface Stay {
  state: string;
  /** What led there; empty for the beginning. */
  event: string;
  /** Null where it goes on and nobody knows since when. */
  seconds: number | null;
  goesOn: boolean;
}

/**
 * Return the stays, oldest first. Only the last transitions are kept, so a long life begins in the
 * middle. `ageS` is how long the session has been there, null of a connection that has ended.
 */
export function stays(steps: Step[], ageS: number | null): Stay[] {
  const [first] = steps;
  if (first === undefined) return [];
  const found: Stay[] = [];
  if (first.event === "request_accepted" || first.event === "refused") {
    found.push({ state: "connecting", event: "", seconds: first.after_s, goesOn: false });
  }
  for (const [n, step] of steps.entries()) {
    const next = steps[n + 1];
    const goesOn = next === undefined && ageS !== null;
    const seconds = next?.after_s ?? (ageS === null ? null : sinceLast(steps, ageS));
    found.push({ state: step.state, event: step.event, seconds, goesOn });
  }
  return found;
}

function sinceLast(steps: Step[], ageS: number): number | null {
  const opened = steps.findIndex((each) => each.event === "hello");
  if (opened < 0) return null;
  const later = steps.slice(opened + 1).reduce((sum, each) => sum + each.after_s, 0);
  return Math.max(0, ageS - later);
}
