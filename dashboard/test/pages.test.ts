import assert from "node:assert/strict";
import { test } from "node:test";

import { stays } from "../src/pages/device/stays.ts";
import { canBeChanged, isUnderWay, stepOf } from "../src/pages/drain/phases.ts";
import { ANY, isFiltered, query, reordered } from "../src/pages/sessions/wanted.ts";

const LIFE = [
  { previous: "connecting", state: "authenticating", event: "request_accepted", initiator: "device", cause: "in order", after_s: 0.1 },
  { previous: "authenticating", state: "active", event: "hello", initiator: "device", cause: "accepted", after_s: 0.4 },
  { previous: "active", state: "idle", event: "quiet", initiator: "us", cause: "no data", after_s: 30 },
];

test("a life is told as stays, the last of which goes on", () => {
  const found = stays(LIFE, true, 12);
  assert.deepEqual(found.map((each) => [each.state, each.seconds, each.goesOn]), [
    ["connecting", 0.1, false], ["authenticating", 0.4, false], ["active", 30, false], ["idle", 12, true],
  ]);
  assert.deepEqual(found[0], { state: "connecting", event: "", cause: "", initiator: "", seconds: 0.1, goesOn: false });
  assert.equal(found[3]?.initiator, "us");
});

test("of a life that has ended the last stay goes nowhere", () => {
  const last = stays(LIFE, false).at(-1);
  assert.deepEqual([last?.seconds, last?.goesOn], [null, false]);
  assert.deepEqual(stays([], true), []);
});

test("a long life begins in the middle, after a state that may not be known", () => {
  const [, , step] = LIFE;
  assert.ok(step);
  const found = stays([{ ...step, previous: null, initiator: null }], true);
  assert.deepEqual(found, [{ state: "idle", event: "quiet", cause: "no data", initiator: "", seconds: null, goesOn: true }]);
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
