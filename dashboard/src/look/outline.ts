// The shape of a small line: from the least to the most of it, with its holes.

export interface Outline {
  line: string;
  area: string;
}

/** One outline for each stretch without a hole. The ground is zero, unless the line is far from it. */
export function outline(values: (number | null)[], width: number, height: number): Outline[] {
  const known = values.filter((each) => each !== null);
  if (known.length === 0) return [];
  const most = Math.max(...known);
  const least = Math.min(...known);
  const ground = least > 0.5 * most ? least - (most - least) : Math.min(0, least);
  const span = most - ground || 1;
  const step = width / Math.max(1, values.length - 1);
  const found: Outline[] = [];
  let points: string[] = [];
  let first = 0;
  const finish = (end: number) => {
    if (points.length > 0) {
      if (points.length === 1) points.push(...points); // a dot, by its round ends
      const line = `M${points.join("L")}`;
      const area = `${line}L${round(end * step)} ${height}L${round(first * step)} ${height}Z`;
      found.push({ line, area });
    }
    points = [];
  };
  for (const [index, value] of values.entries()) {
    if (value === null) {
      finish(index - 1);
      continue;
    }
    if (points.length === 0) first = index;
    const above = most === least && most !== 0 ? 0.5 : (value - ground) / span;
    points.push(`${round(index * step)} ${round(height - 1 - above * (height - 2))}`);
  }
  finish(values.length - 1);
  return found;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
