import assert from "node:assert/strict";
import { test } from "node:test";

import { stays } from "../src/pages/device/stays.ts";
import { canBeChanged, isUnderWay, stepOf } from "../src/pages/drain/phases.ts";
import { ANY, isFiltered, query, reordered } from "../src/pages/sessions/wanted.ts";

const LIFE = [
  { state: "authenticating", event: "request_accepted", after_s: 0.1 },
  { state: "active", event: "hello", after_s: 0.4 },
  { state: "idle", event: "quiet", after_s: 30 },
];

test("a life is told as stays, the last of which goes on", () => {
  assert.deepEqual(stays(LIFE, 42), [
    { state: "connecting", event: "", seconds: 0.1, goesOn: false },
    { state: "authenticating", event: "request_accepted", seconds: 0.4, goesOn: false },
    { state: "active", event: "hello", seconds: 30, goesOn: false },
    { state: "idle", event: "quiet", seconds: 12, goesOn: true },
  ]);
});

test("of a life that has ended the last stay goes nowhere", () => {
  assert.deepEqual(stays(LIFE, null).at(-1), { state: "idle", event: "quiet", seconds: null, goesOn: false });
  assert.deepEqual(stays([], 5), []);
});

test("a long life begins in the middle, and since when it is as it is nobody knows", () => {
  const found = stays([{ state: "idle", event: "quiet", after_s: 30 }], 99);
  assert.deepEqual(found, [{ state: "idle", event: "quiet", seconds: null, goesOn: true }]);
});

test("only what somebody chose is asked for", () => {
  assert.equal(query(ANY, ""), "by=age&descending=false&limit=50");
  assert.equal(query({ ...ANY, text: "02:a", state: "idle" }, "-1.5~x"), "by=age&descending=false&limit=50&text=02%3Aa&state=idle&behind=-1.5%7Ex");
  assert.equal(isFiltered(ANY), false);
  assert.equal(isFiltered({ ...ANY, verdict: "zombie" }), true);
});

test("a click on the column of the order turns it round", () => {
  assert.deepEqual(reordered(ANY, "age"), { descending: true });
  assert.deepEqual(reordered(ANY, "rtt"), { by: "rtt", descending: true });
  assert.deepEqual(reordered({ ...ANY, by: "rtt", descending: true }, "age"), { by: "age", descending: false });
});

test("a drain that is paused still leaves, and one that forces cannot be held", () => {
  assert.equal(stepOf("paused"), stepOf("leaving"));
  assert.equal(stepOf("none"), -1);
  assert.equal(isUnderWay("saving"), true);
  assert.equal(canBeChanged("saving"), false);
  assert.equal(canBeChanged("paused"), true);
  assert.equal(isUnderWay("ended"), false);
});
