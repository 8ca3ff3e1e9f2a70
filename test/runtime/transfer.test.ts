/**
 * Uploads and readbacks: every element lands where the layout's address function says, and comes back.
 * The address function is read with numbers here, by GL in the copy of programs.test.ts.
 */
import { describe, expect, test } from "vitest";
import { hostArray, type DType, type HostArray } from "../../src/ir/dtype.ts";
import { numbers } from "../../src/ir/indexing.ts";
import { addressOf, layoutOf, makeLayout, type Layout, type LayoutChoice } from "../../src/ir/layout.ts";
import { numel, type Shape } from "../../src/ir/shape.ts";
import { createWebglDevice } from "../../src/runtime/device.ts";
import { isPacked, pack, texelCount, unpack } from "../../src/runtime/packing.ts";
import { headlessGl } from "../support/gl.ts";

const small = { maxTextureSize: 64 };
const large = { maxTextureSize: 4096 };

const case_ = (shape: Shape, limits = large, choice: LayoutChoice = {}): Layout => {
  const layout = layoutOf(shape, limits, choice);
  if (layout === null) throw new Error(`no layout for [${shape.join(",")}]`);
  return layout;
};

const layouts: readonly Layout[] = [
  case_([]),
  case_([1]),
  case_([5]),
  case_([256]),
  case_([300]),
  case_([1000], small),
  case_([4, 8]),
  case_([7, 13]),
  case_([33, 130]),
  case_([2, 3, 5]),
  case_([3, 2, 4, 5]),
  ...[2, 4, 8].flatMap((R) => [
    case_([8, 16], large, { split: { dim: 0, R } }),
    case_([13, 10], large, { split: { dim: 0, R } }),
    case_([3, 5, 9], large, { split: { dim: 1, R } }),
    case_([3, 5, 9], large, { split: { dim: 0, R } }),
    case_([130, 33], small, { split: { dim: 0, R } }),
  ]),
  // Columns that are not the last axis: channels-last of an NCHW value, a transposed matrix, several columns axes.
  case_([2, 5, 3, 3], large, { columns: [1], split: { dim: 0, R: 2 } }),
  case_([6, 11], large, { columns: [0] }),
  case_([3, 4, 5], large, { columns: [0, 2] }),
  case_([3, 4, 5], large, { columns: [1, 2] }),
  // Wider than a row of 64 texels: two digits, with ghosts.
  case_([2, 300], small),
  case_([2, 300], small, { split: { dim: 0, R: 2 } }),
  case_([3, 700, 2], small, { columns: [1] }),
  // A ghost digit beside another column axis.
  makeLayout(
    [10, 3],
    [{ dim: 0, div: 4, extent: 3, outermost: true }],
    [
      { dim: 0, div: 1, extent: 4, outermost: false },
      { dim: 1, div: 1, extent: 3, outermost: true },
    ],
    -1,
    1,
    large,
  )!,
];

/** Every element another value, with all bits of its dtype in use. */
function pattern(dtype: DType, size: number): HostArray {
  const out = hostArray(dtype, size);
  for (let i = 0; i < size; i++) {
    out[i] =
      dtype === "bool"
        ? (i * 7 + (i >> 3)) & 1
        : dtype === "f32"
          ? 1 + (2 * i + 1) * 2 ** -23
          : Math.imul(i + 1, 0x9e3779b1);
  }
  return out;
}

/** All indices of a shape, in row-major order. */
function* indices(shape: Shape): Iterable<number[]> {
  const at = shape.map(() => 0);
  for (let n = numel(shape); n > 0; n--) {
    yield at;
    for (let d = shape.length - 1; d >= 0 && ++at[d]! === shape[d]; d--) at[d] = 0;
  }
}

describe("packing", () => {
  test.each(layouts.map((l) => [l.text, l] as const))("%s is the address function", (_, layout) => {
    const host = Float32Array.from({ length: numel(layout.shape) }, (_, i) => i + 1);
    const texels = new Float32Array(texelCount(layout)).fill(-1);
    pack(layout, host, texels);
    let i = 0;
    const seen = new Set<number>();
    for (const at of indices(layout.shape)) {
      const { x, y, layer, lane } = addressOf(numbers, layout, at);
      expect(x < layout.width && y < layout.height && layer < layout.R && lane < 4).toBe(true);
      const place = ((layer * layout.height + y) * layout.width + x) * 4 + lane;
      seen.add(place);
      expect(texels[place]).toBe(host[i++]);
    }
    expect(seen.size).toBe(host.length);
    // What no element owns keeps what it held, unless the block was copied as it is.
    texels.forEach((v, place) => expect(v === -1).toBe(!seen.has(place)));
    const back = new Float32Array(host.length);
    unpack(layout, texels, back);
    expect(back).toEqual(host);
  });

  test("a value whose texels are its array is sent as it is", () => {
    expect(isPacked(case_([8, 16]), 128)).toBe(true);
    expect(isPacked(case_([8, 15]), 120)).toBe(false);
    expect(isPacked(case_([8, 16], large, { split: { dim: 0, R: 2 } }), 128)).toBe(false);
    expect(isPacked(case_([6, 8], large, { columns: [0] }), 48)).toBe(false);
  });
});

describe("uploads and readbacks", () => {
  const device = createWebglDevice(headlessGl(), { readsSynchronously: true, poison: true });

  test.each(layouts.map((l) => [l.text, l] as const))("%s in all dtypes", async (_, layout) => {
    for (const dtype of ["f32", "i32", "u32", "bool"] as const) {
      const array = pattern(dtype, numel(layout.shape));
      const buffer = device.upload(array, dtype, layout.shape, layout.text);
      expect(buffer.readSync()).toEqual(array);
      expect(await buffer.read()).toEqual(array);
      buffer.release();
    }
    expect(device.memory().buffers).toBe(0);
  });

  test("NaN, infinities, -0 and denormals keep their bits", () => {
    const array = new Float32Array([NaN, Infinity, -Infinity, -0, 1e-40, 3.4028234663852886e38, 0, 1]);
    const layout = case_([2, 4]);
    const buffer = device.upload(array, "f32", [2, 4], layout.text);
    const back = buffer.readSync();
    expect([...back].map((x) => (Object.is(x, -0) ? "-0" : x))).toEqual(
      [...array].map((x) => (Object.is(x, -0) ? "-0" : x)),
    );
    buffer.release();
  });

  test("nothing is stored for no elements", async () => {
    const layout = case_([0, 4]);
    const before = device.memory();
    const buffer = device.upload(new Float32Array(0), "f32", [0, 4], layout.text);
    expect(buffer.bytes).toBe(0);
    expect(device.memory()).toEqual(before);
    expect(await buffer.read()).toEqual(new Float32Array(0));
    buffer.release();
  });

  test("a released buffer says so, and its texture is used again", () => {
    const layout = case_([7, 13]);
    const send = () => device.upload(pattern("f32", 91), "f32", [7, 13], layout.text);
    const first = send();
    const bytes = device.memory().bytes;
    first.release();
    first.release();
    expect(() => first.readSync()).toThrow(/f32\[7,13\].*given back/);
    const second = send();
    expect(device.memory().bytes).toBe(bytes);
    second.release();
  });

  test("a wrong number of values is our fault", () => {
    expect(() => device.upload(new Float32Array(3), "f32", [2, 2], case_([2, 2]).text)).toThrow(/3 values for \[2,2\]/);
  });
});
