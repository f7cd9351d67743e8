import assert from "node:assert/strict";
import { test } from "node:test";

import type { Span } from "../src/api/answers.ts";
import { outline } from "../src/look/outline.ts";
import { columns, extended, isEmpty } from "../src/look/series.ts";

function span(start: number, values: (number | null)[], step_s = 5): Span {
  return { start, step_s, least: values, mean: values, most: values };
}

test("spans of different beginnings are laid on one axis", () => {
  const found = columns({ a: span(100, [1, 2, 3]), b: span(105, [7, null]) });
  assert.deepEqual(found?.at, [100, 105, 110]);
  assert.deepEqual(found?.mean, { a: [1, 2, 3], b: [null, 7, null] });
  assert.equal(columns({}), null);
});

test("a new sample is one more column, and the oldest one goes", () => {
  const old = columns({ a: span(100, [1, 2, 3]) });
  assert.ok(old);
  const found = extended(old, 115, { a: 4 }, 10);
  assert.deepEqual([found.at, found.mean.a], [[105, 110, 115], [2, 3, 4]]);
});

test("the same sample again, or an older one, changes nothing", () => {
  const old = columns({ a: span(100, [1, 2, 3]) });
  assert.ok(old);
  assert.equal(extended(old, 110, { a: 9 }, 60), old);
  assert.equal(extended(old, 90, { a: 9 }, 60), old);
});

test("samples that were missed are a hole, however long nobody looked", () => {
  const old = columns({ a: span(100, [1]) });
  assert.ok(old);
  assert.deepEqual(extended(old, 106, { a: 2 }, 60).mean.a, [1, 2]);
  const found = extended(columns({ a: span(100, [1, 1, 1]) }) ?? old, 125, {}, 60);
  assert.deepEqual(found.mean.a, [1, 1, 1, null, null, null]);
  assert.deepEqual(found.at, [100, 105, 110, 115, 120, 125]);
  assert.equal(extended(old, 1e9, { a: 2 }, 3_600).at.length, 1);
});

test("gauges of which nothing was seen are empty", () => {
  const found = columns({ a: span(0, [null, null]), b: span(0, [null, 0]) });
  assert.ok(found);
  assert.equal(isEmpty(found, ["a"]), true);
  assert.equal(isEmpty(found, ["a", "b"]), false);
  assert.equal(isEmpty(found, ["unknown"]), true);
});

test("a small line has one stretch between two holes, and a dot for one value alone", () => {
  const found = outline([1, 2, null, 3, null], 40, 20);
  assert.equal(found.length, 2);
  assert.match(found[0]?.line ?? "", /^M0 [\d.]+L10 [\d.]+$/);
  assert.equal(found[1]?.line, "M30 1L30 1");
  assert.deepEqual(outline([null, null], 40, 20), []);
  assert.deepEqual(outline([], 40, 20), []);
});

test("a line at zero lies on the ground, and no shape has a number that is none", () => {
  assert.match(outline([0, 0], 40, 20)[0]?.line ?? "", /^M0 19L40 19$/);
  for (const values of [[0], [5], [5, 5], [-1, 1], [1e12, 1e-12]]) {
    for (const each of outline(values, 40, 20)) assert.doesNotMatch(each.area, /NaN|Infinity/);
  }
});
