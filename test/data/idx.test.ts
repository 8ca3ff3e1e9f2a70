/** IDX files made in memory, byte by byte: what is read, and what each broken one says. */
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseIdx, readIdx } from "../../src/data/idx.ts";
import { inflateGzip } from "../../src/data/gzip.ts";
import { realDigits } from "./real-digits.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const gzip = (plain: Uint8Array) => new Uint8Array(gzipSync(plain));

/** [2,3] of u8: 1..6. */
const small = bytes(0, 0, 0x08, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6);

describe("parseIdx", () => {
  it("reads u8", () => {
    expect(parseIdx(small)).toEqual({ type: "u8", shape: [2, 3], data: bytes(1, 2, 3, 4, 5, 6) });
  });

  it("copies: the caller may reuse its bytes", () => {
    const mine = small.slice();
    const { data } = parseIdx(mine);
    mine.fill(9);
    expect([...data]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("reads from the middle of a larger buffer", () => {
    const around = new Uint8Array(small.length + 7);
    around.set(small, 3);
    expect(parseIdx(around.subarray(3, 3 + small.length)).shape).toEqual([2, 3]);
  });

  it.each([
    ["i8", 0x09, [0xff, 0x7f], Int8Array.of(-1, 127)],
    ["i16", 0x0b, [0xff, 0xfe, 1, 0], Int16Array.of(-2, 256)],
    ["i32", 0x0c, [0xff, 0xff, 0xff, 0xfd, 0, 0, 1, 0], Int32Array.of(-3, 256)],
    ["f32", 0x0d, [0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], Float32Array.of(1, -2)],
    ["f64", 0x0e, [0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0], Float64Array.of(1, -2)],
  ])("reads %s, big-endian", (type, code, values, data) => {
    expect(parseIdx(bytes(0, 0, code, 1, 0, 0, 0, 2, ...values))).toEqual({ type, shape: [2], data });
  });

  it("reads an empty array", () => {
    expect(parseIdx(bytes(0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 28))).toEqual({ type: "u8", shape: [0, 28], data: bytes() });
  });

  it.each([
    ["an empty file", bytes(), "idx: bytes: truncated header: 0 bytes, the first part of it takes 4"],
    [
      "a page of HTML",
      new TextEncoder().encode("<!doctype html>"),
      "idx: bytes: bytes 0 and 1 are 0x3c and 0x21, IDX begins with two zeros; is this an IDX file?",
    ],
    [
      "an unknown type",
      bytes(0, 0, 0x0a, 1, 0, 0, 0, 0),
      "idx: bytes: byte 2: type code 0x0a, known are 0x08 (u8), 0x09 (i8), 0x0b (i16), 0x0c (i32), 0x0d (f32), 0x0e (f64)",
    ],
    ["no dimension", bytes(0, 0, 8, 0, 1), "idx: bytes: byte 3: 0 dimensions, IDX arrays have at least 1"],
    [
      "a header cut short",
      small.slice(0, 10),
      "idx: bytes: truncated header: 2 dimensions end at byte 12, the file at byte 10",
    ],
    [
      "missing values",
      small.slice(0, 17),
      "idx: bytes: truncated: [2,3] of u8 takes 18 bytes with its header, the file has 17",
    ],
    [
      "trailing bytes",
      bytes(...small, 0, 0),
      "idx: bytes: 2 bytes follow the values at byte 18: [2,3] of u8 takes 18 bytes with its header",
    ],
    [
      "absurd extents",
      bytes(0, 0, 0x0e, 2, ...Array<number>(8).fill(0xff)),
      "idx: bytes: bytes 4 to 11: [4294967295,4294967295] of f64 takes 1475739525",
    ],
    [
      "large extents over a small file",
      bytes(0, 0, 8, 2, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1, 5),
      "idx: bytes: truncated: [2147483647,1] of u8 takes 2147483659 bytes with its header, the file has 13",
    ],
    ["gzip", gzip(small), "idx: bytes: these bytes are gzipped; readIdx(bytes) inflates them"],
  ])("says what is wrong with %s", (_, file, message) => {
    expect(() => parseIdx(file)).toThrow(message);
  });

  it("never reads a damaged header as something else's size", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (file) => {
        try {
          const { shape, data } = parseIdx(file);
          expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
        } catch (error) {
          expect(error).toHaveProperty("name", "FormatError");
        }
      }),
    );
  });
});

describe("readIdx", () => {
  it("inflates gzip, told by its first bytes", async () => {
    expect(await readIdx(gzip(small))).toEqual(parseIdx(small));
    expect(await readIdx(small)).toEqual(parseIdx(small));
  });

  it("names the location that cannot be read", async () => {
    await expect(readIdx("/nowhere/t10k-images-idx3-ubyte")).rejects.toThrow(
      "read /nowhere/t10k-images-idx3-ubyte: no such file or folder",
    );
  });

  it("says that an inflated file is truncated", async () => {
    await expect(readIdx(gzip(small.slice(0, 15)))).rejects.toThrow("idx: bytes: truncated: [2,3] of u8 takes 18");
  });

  it("reads the real digits", async (context) => {
    const digits = realDigits(context);
    const images = await readIdx(digits.images);
    const labels = await readIdx(digits.labels);
    expect([images.type, images.shape]).toEqual(["u8", [10_000, 28, 28]]);
    expect([labels.type, labels.shape]).toEqual(["u8", [10_000]]);
    expect(labels.data.slice(0, 8)).toEqual(bytes(7, 2, 1, 0, 4, 1, 4, 9));
  });
});

describe("inflateGzip", () => {
  const plain = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i * 31) >> 3);
  const packed = gzip(plain);
  const damaged = (change: (file: Uint8Array) => void) => {
    const file = packed.slice();
    change(file);
    return file;
  };

  it("gives back what was packed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), async (data) => {
        expect(await inflateGzip(gzip(data), "test")).toEqual(data);
      }),
      { numRuns: 10 },
    );
    expect(await inflateGzip(packed, "test")).toEqual(plain);
  });

  const size = packed.length;
  it.each([
    ["too short for a header", packed.slice(0, 9), "gzip: f: truncated: 9 bytes, header and trailer alone take 18"],
    ["half a file", packed.slice(0, size >> 1), `gzip: f: corrupt or truncated, within the first ${size >> 1} of`],
    ["a trailer cut short", packed.slice(0, -3), "gzip: f: corrupt or truncated"],
    ["a wrong method", damaged((f) => (f[2] = 9)), "gzip: f: byte 2: compression method 9, only 8 (deflate) exists"],
    ["a wrong checksum", damaged((f) => (f[size - 6]! ^= 1)), "gzip: f: corrupt or truncated"],
    ["a wrong size", damaged((f) => (f[size - 1]! ^= 1)), "gzip: f: corrupt or truncated"],
    ["damage in the middle", damaged((f) => f.fill(0x5a, 200, 260)), "gzip: f: corrupt or truncated"],
    ["bytes after its end", Uint8Array.from([...packed, 1, 2, 3]), "gzip: f: corrupt or truncated"],
    ["a second member", Uint8Array.from([...packed, ...packed]), "but 600000 bytes were inflated"],
  ])("says what is wrong with %s", async (_, file, message) => {
    await expect(inflateGzip(file, "f")).rejects.toThrow(message);
  });
});
