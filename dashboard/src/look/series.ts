// Series as they are drawn: columns of one time axis, that grow by one sample at a time.

import type { Numbers, Span } from "../api/answers.ts";

export interface Columns {
  /** Unix times in seconds. */
  at: number[];
  stepS: number;
  mean: Record<string, (number | null)[]>;
  least: Record<string, (number | null)[]>;
  most: Record<string, (number | null)[]>;
}

/** Lay spans on one axis; they come out of one memory, so they have one step. */
export function columns(series: Record<string, Span>): Columns | null {
  const spans = Object.values(series);
  const [first] = spans;
  if (first === undefined) return null;
  const start = Math.min(...spans.map((each) => each.start));
  const stepS = first.step_s;
  const length = Math.max(...spans.map((each) => offset(each, start) + each.mean.length));
  const found: Columns = { at: [], stepS, mean: {}, least: {}, most: {} };
  for (let n = 0; n < length; n += 1) found.at.push(start + n * stepS);
  for (const [gauge, span] of Object.entries(series)) {
    const before = offset(span, start);
    for (const part of ["mean", "least", "most"] as const) {
      const column = new Array<number | null>(length).fill(null);
      for (const [n, value] of span[part].entries()) column[before + n] = value;
      found[part][gauge] = column;
    }
  }
  return found;
}

function offset(span: Span, start: number): number {
  return Math.round((span.start - start) / span.step_s);
}

/**
 * Return the columns with one more sample, and without what is older than `lengthS` by then.
 *
 * What was missed in between is a hole; the same sample again changes nothing.
 */
export function extended(old: Columns, atS: number, latest: Numbers, lengthS: number): Columns {
  const last = old.at.at(-1);
  if (last === undefined || atS <= last) return old;
  const missed = Math.min(old.at.length, Math.max(0, Math.round((atS - last) / old.stepS) - 1));
  const holes = Array.from({ length: missed }, (_, n) => last + (n + 1) * old.stepS);
  const at = [...old.at, ...holes, atS];
  const first = at.findIndex((each) => each >= atS - lengthS);
  const grown = (part: Record<string, (number | null)[]>) =>
    Object.fromEntries(
      Object.entries(part).map(([gauge, values]) => [
        gauge,
        [...values, ...holes.map(() => null), latest[gauge] ?? null].slice(first),
      ]),
    );
  return {
    at: at.slice(first),
    stepS: old.stepS,
    mean: grown(old.mean),
    least: grown(old.least),
    most: grown(old.most),
  };
}

/** Whether anything at all was seen of these gauges. */
export function isEmpty(found: Columns, gauges: string[]): boolean {
  return gauges.every((gauge) => (found.mean[gauge] ?? []).every((each) => each === null));
}
