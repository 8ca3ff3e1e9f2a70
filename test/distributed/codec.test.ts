/** Codecs: what they keep, what they refuse, and that error feedback loses nothing. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkCodec, codecs, isFinite32 } from "../../src/distributed/codec.ts";
import { encodeExact } from "../../src/distributed/codec-topk.ts";
import { codecNames, WireError } from "../../src/distributed/wire.ts";

const floats = fc
  .array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e4, max: 1e4 }), { minLength: 1, maxLength: 300 })
  .map((x) => Float32Array.from(x));
const largest = (x: Float32Array): number => x.reduce((m, v) => Math.max(m, Math.abs(v)), 0);

/** The most by which a decoded value may differ. */
const error: Record<string, (x: number, top: number) => number> = {
  f32: () => 0,
  // Half of a step: 2^-11 of the value, or 2^-25 below the smallest normal.
  f16: (x) => Math.max(Math.abs(x) * 2 ** -11, 2 ** -25),
  bf16: (x) => Math.max(Math.abs(x) * 2 ** -8, 2 ** -133),
  // Half of a step, and what rounding the scale and the quotient to f32 costs.
  int8: (_, top) => top / 127 / 2 + top * 1e-6 + 127e-37,
};

describe.each(codecNames)("codec %s", (name) => {
  const codec = codecs[name];

  test("gives as many values, the same bytes for the same values, and at most the bytes it says", () => {
    fc.assert(
      fc.property(floats, (x) => {
        const payload = codec.encode(x);
        expect(payload.byteLength).toBeLessThanOrEqual(codec.bytes(x.length));
        expect(codec.encode(x)).toEqual(payload);
        const y = codec.decode(payload.slice(), x.length);
        const bound = error[name];
        if (bound !== undefined) {
          x.forEach((v, i) => expect(Math.abs(v - y[i]!)).toBeLessThanOrEqual(bound(v, largest(x))));
        }
      }),
    );
  });

  test("gives what it is given anywhere in memory", () => {
    const x = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i));
    const payload = codec.encode(x);
    const shifted = new Uint8Array(payload.length + 3).subarray(3);
    shifted.set(payload);
    expect(codec.decode(shifted, 100)).toEqual(codec.decode(payload.slice(), 100));
  });

  test("refuses payloads of another size with a WireError", () => {
    fc.assert(
      fc.property(floats, fc.uint8Array({ maxLength: 64 }), (x, noise) => {
        const payload = codec.encode(x);
        expect(() => codec.decode(payload.slice(0, -1), x.length)).toThrow(WireError);
        try {
          codec.decode(new Uint8Array(noise), x.length);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(WireError);
        }
      }),
    );
  });

  test("with error feedback loses nothing: what was sent in sum is what was meant, but for one residual", () => {
    const n = 200;
    const steps = 400;
    const residual = new Float32Array(n);
    const meant = new Float64Array(n);
    const sent = new Float64Array(n);
    for (let step = 0; step < steps; step++) {
      const v = residual.map((r, i) => r + Math.sin(i * 7 + step) * (i % 7 === 0 ? 1 : 0.01));
      for (let i = 0; i < n; i++) meant[i]! += v[i]! - residual[i]!;
      const decoded = codec.decode(codec.encode(v), n);
      decoded.forEach((d, i) => {
        sent[i]! += d;
        residual[i] = v[i]! - d;
      });
    }
    // The residual stays bounded, so the mean error of a step goes to 0.
    meant.forEach((m, i) => expect(Math.abs(m - sent[i]! - residual[i]!)).toBeLessThan(1e-3));
    expect(largest(residual)).toBeLessThan(name === "topk" ? 60 : 0.02);
  });
});

test("bytes of a chunk: half, a quarter, and a hundredth at six bytes each", () => {
  const x = Float32Array.from({ length: 65_536 }, (_, i) => Math.sin(i));
  const size = (name: (typeof codecNames)[number]): number => codecs[name].encode(x).byteLength;
  expect(codecNames.map(size)).toEqual([262_144, 131_072, 131_072, 65_536 + 64, 4 + 6 * 656]);
});

test("f16 and bf16 agree with their definition on every payload", () => {
  const words = Uint16Array.from({ length: 65_536 }, (_, i) => i);
  const payload = new Uint8Array(words.buffer);
  const half = codecs.f16.decode(payload, words.length);
  const back = new Uint16Array(codecs.f16.encode(half).buffer);
  const brain = new Uint16Array(codecs.bf16.encode(codecs.bf16.decode(payload, words.length)).buffer);
  words.forEach((w, i) => {
    if (!Number.isNaN(half[i]!)) expect(back[i]).toBe(w);
    if ((w & 0x7fff) <= 0x7f80) expect(brain[i]).toBe(w);
  });
  // Ties go to even; beyond the largest, values saturate.
  const round = (x: number): number => codecs.f16.decode(codecs.f16.encode(new Float32Array([x])), 1)[0]!;
  expect([2049, 2051, 65_504, 65_519, 1e9, -1e9, 2 ** -25, 2 ** -24 * 1.5].map(round)).toEqual([
    2048,
    2052,
    65_504,
    65_504,
    65_504,
    -65_504,
    0,
    2 ** -23,
  ]);
  const large = codecs.bf16.decode(codecs.bf16.encode(new Float32Array([3.4e38, -3.4e38])), 2);
  expect(isFinite32(large)).toBe(true);
});

test("topk keeps the largest, the first of equal ones, and sums exactly", () => {
  const x = new Float32Array(300);
  x.set([5, -7, 5, 5, 0.5], 10);
  const y = codecs.topk.decode(codecs.topk.encode(x), 300);
  expect([...y].flatMap((v, i) => (v === 0 ? [] : [[i, v]]))).toEqual([
    [10, 5],
    [11, -7],
    [12, 5],
  ]);
  fc.assert(
    fc.property(floats, (sum) => {
      const exact = codecs.topk.decode(encodeExact(sum), sum.length);
      sum.forEach((v, i) => expect(exact[i]! === v).toBe(true));
    }),
  );
  expect(() => codecs.topk.decode(encodeExact(x).fill(0xff, 24, 28), 300)).toThrow(WireError);
});

test("isFinite32 sees a single infinity or NaN", () => {
  const x = new Float32Array(1000).fill(3.4028234663852886e38);
  expect(isFinite32(x)).toBe(true);
  for (const bad of [Infinity, -Infinity, NaN]) {
    x[517] = bad;
    expect(isFinite32(x)).toBe(false);
  }
});

test("an unknown codec is named with those there are", () => {
  expect(() => checkCodec("gzip")).toThrow('there is no "gzip"; there are f32, f16, bf16, int8, topk');
});
