import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { encode, MAX_BYTES, MAX_DEPTH } from "../src/arguments.js";
import { ArgumentsError } from "../src/index.js";
import { clientOf } from "./fake.js";

function nested(levels: number): unknown {
  let value: unknown = "x";
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

const written: [string, unknown, string][] = [
  ["nothing", {}, "{}"],
  ["text", { s: 'a"b\\\n\u00e9\u{1F600}' }, '{"s":"a\\"b\\\\\\n\u00e9\u{1F600}"}'],
  ["numbers", { n: [1, 0.1, 1e-7, 2 ** 53 - 1, true, null] }, '{"n":[1,0.1,1e-7,9007199254740991,true,null]}'],
  ["bigints", { n: [2n ** 63n, -1n] }, '{"n":[9223372036854775808,-1]}'],
  ["nesting", { a: [[], {}, { b: { c: 1 } }] }, '{"a":[[],{},{"b":{"c":1}}]}'],
  ["undefined properties", { a: undefined, b: 1 }, '{"b":1}'],
  ["no prototype", Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
  ["__proto__ as a name", JSON.parse('{"__proto__":1}'), '{"__proto__":1}'],
  ["the depth that is allowed", { d: nested(MAX_DEPTH - 1) }, `{"d":${"[".repeat(63)}"x"${"]".repeat(63)}}`],
];
for (const [name, value, text] of written) {
  test(`arguments are written exactly: ${name}`, () => assert.equal(encode(value), text));
}

class Secretive {
  secret = 1;
}
const cycle: Record<string, unknown> = {};
cycle["again"] = cycle;

const refused: [string, unknown][] = [
  ["NaN", { n: NaN }],
  ["infinity", { n: -Infinity }],
  ["an unsafe integer", { n: 2 ** 53 }],
  ["a huge number", { n: 1e300 }],
  ["a lone surrogate", { secret: "\ud83d" }],
  ["a lone surrogate in a name", { "\ud83d": 1 }],
  ["a hole", { a: [, 1] }], // eslint-disable-line no-sparse-arrays
  ["undefined in a list", { a: [undefined] }],
  ["a function", { f: () => "secret" }],
  ["a symbol", { s: Symbol("secret") }],
  ["a Map, which JSON.stringify would show empty", { m: new Map([["secret", 1]]) }],
  ["a Date", { d: new Date() }],
  ["an instance", { i: new Secretive() }],
  ["a list at the top", ["secret"]],
  ["text at the top", "secret"],
  ["null", null],
  ["undefined", undefined],
  ["more depth than is allowed", { d: nested(MAX_DEPTH) }],
  ["a cycle", cycle],
  ["more bytes than are allowed", { s: "é".repeat(MAX_BYTES / 2) }],
];
for (const [name, value] of refused) {
  test(`threat D10: refused: ${name}`, () => {
    assert.throws(
      () => encode(value),
      (error) => error instanceof ArgumentsError && !error.message.includes("secret"),
    );
  });
}

test("threat E16: printing a client shows no token", () => {
  const client = clientOf("127.0.0.1:1", { token: "canary" });
  assert.ok(!inspect(client, { depth: 9, showHidden: true }).includes("canary"));
});
