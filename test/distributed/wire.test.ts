/** Frames: what is encoded is decoded, and nothing else is taken. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readServerMessage, readWorkerMessage } from "../../src/distributed/messages.ts";
import {
  CHUNK,
  codecNames,
  decodeControl,
  decodeFrame,
  encodeControl,
  encodeFrame,
  HEADER_BYTES,
  MAX_CONTROL_BYTES,
  MAX_FRAME_BYTES,
  WireError,
  type Frame,
} from "../../src/distributed/wire.ts";

const u16 = fc.integer({ min: 0, max: 65_535 });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const anyFrame: fc.Arbitrary<Frame> = fc.record({
  type: fc.constantFrom("grad" as const, "sum" as const, "state" as const),
  term: u32,
  step: u32,
  attempt: u16,
  bucket: u16,
  offset: u32,
  count: fc.integer({ min: 1, max: CHUNK }),
  codec: fc.constantFrom(...codecNames),
  collective: fc.boolean(),
  slot: u16,
  payload: fc.uint8Array({ maxLength: 600 }),
});

const control = (message: object): Frame => decodeFrame(encodeControl(3, message));
const refusal = (f: () => unknown): string => {
  try {
    f();
  } catch (error) {
    if (error instanceof WireError) return error.message;
    throw error;
  }
  return "taken";
};

describe("frames", () => {
  test("come back as they were", () => {
    fc.assert(
      fc.property(anyFrame, (frame) => {
        expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
      }),
      { numRuns: 1000 },
    );
  });

  test("have a payload at a multiple of 8", () => expect(HEADER_BYTES % 8).toBe(0));

  test("any bytes are a frame or a WireError, never another error", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(anyFrame, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }), fc.nat(8))
        .map(([frame, changes, cut]) => {
          const out = encodeFrame(frame);
          for (const [at, value] of changes) out[at % out.length] = value;
          return out.subarray(0, out.length - cut);
        }),
    );
    fc.assert(
      fc.property(bytes, (b) => {
        const whole = new Uint8Array(b);
        refusal(() => {
          const frame = decodeFrame(whole);
          expect(encodeFrame(frame)).toEqual(whole);
          if (frame.type === "control") readWorkerMessage(frame);
        });
      }),
      { numRuns: 5000 },
    );
  });

  const good = (): Uint8Array<ArrayBuffer> => encodeFrame({ type: "grad", count: 2, payload: new Uint8Array(8) });
  const changed = (at: number, value: number): Uint8Array<ArrayBuffer> => {
    const bytes = good();
    bytes[at] = value;
    return bytes;
  };
  test.each([
    ["magic", changed(0, 0), /does not begin/],
    ["version", changed(2, 9), /version 9, this side speaks 1/],
    ["type", changed(3, 4), /type 4/],
    ["codec", changed(24, 5), /codec 5/],
    ["flags", changed(25, 2), /flags 2/],
    ["length", changed(28, 9), /says 9 bytes of payload, has 8/],
    ["no elements", changed(20, 0), /0 elements/],
    ["too many elements", changed(23, 1), /elements, must be 1 to/],
    ["truncated header", good().subarray(0, 31), /the header alone has 32/],
    ["truncated payload", good().subarray(0, 39), /says 8 bytes of payload, has 7/],
    ["too long", new Uint8Array(MAX_FRAME_BYTES + 1), /at most/],
  ])("are refused: %s", (_, bytes, reason) => expect(refusal(() => decodeFrame(bytes))).toMatch(reason));
});

describe("control messages", () => {
  test("come back as they were", () => {
    const message = { kind: "end", step: 7, attempt: 1, samples: 50, loss: 0.25, update: [] };
    expect(readWorkerMessage(control(message))).toEqual(message);
    const open = { kind: "open", step: 7, attempt: 0, roster: [0, 2], epoch: 1, lease: [[0, 50]] };
    expect(readServerMessage(control(open))).toEqual(open);
  });

  test.each([
    ["no kind", {}, /there is no message/],
    ["a kind of objects", { kind: "toString" }, /there is no message "toString"/],
    ["the server's kind", { kind: "commit" }, /there is no message "commit"/],
    ["a field missing", { kind: "ready" }, /ready.step: must be a whole number/],
    ["a field too many", { kind: "ready", step: 1, more: 1 }, /ready.more: must be absent/],
    ["a wrong type", { kind: "ready", step: "1" }, /ready.step/],
    ["a fraction", { kind: "ready", step: 1.5 }, /ready.step/],
    ["a long text", { kind: "applied", step: 1, hash: "x".repeat(33) }, /applied.hash/],
    ["NaN", { kind: "end", step: 1, attempt: 0, samples: 1, loss: "NaN", update: [] }, /end.loss/],
    [
      "an empty range",
      {
        kind: "end",
        step: 1,
        attempt: 0,
        samples: 1,
        loss: 0,
        update: [{ rule: "r", flags: {}, settings: [], initial: [], params: [[3, 3]] }],
      },
      /from below to/,
    ],
  ])("are refused: %s", (_, message, reason) => {
    expect(refusal(() => readWorkerMessage(control(message)))).toMatch(reason);
  });

  test("are refused: no JSON, and too long", () => {
    const bytes = encodeFrame({ type: "control", payload: new Uint8Array([0xff, 0xfe]) });
    expect(refusal(() => decodeControl(decodeFrame(bytes)))).toMatch(/not JSON/);
    expect(refusal(() => encodeControl(0, { text: "x".repeat(MAX_CONTROL_BYTES) }))).toMatch(/at most/);
  });
});
