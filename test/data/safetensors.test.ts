/** Safetensors: round trips, a file of the reference implementation byte by byte, and what each broken file says. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  hostTensor,
  type HostTensor,
  loadSafetensors,
  parseSafetensors,
  saveSafetensors,
  writeSafetensors,
} from "../../src/data/index.ts";

/** A file of this header, as it stands, and these values. */
function file(header: string, values: ArrayLike<number> = []): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + values.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 8);
  bytes.set(values, 8 + text.length);
  return bytes;
}

const entry = (dtype: string, shape: readonly number[], begin: number, end: number) =>
  `{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${begin},${end}]}`;

/** One tensor "t" with these bytes. */
const single = (dtype: string, shape: readonly number[], values: ArrayLike<number>) =>
  file(`{"t":${entry(dtype, shape, 0, values.length)}}`, values);

const bytesOf = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

const valuesOf = (bytes: Uint8Array) => parseSafetensors(bytes).tensors.get("t");

describe("parseSafetensors", () => {
  it("reads the reference implementation's own example", () => {
    // From the tests of the Rust crate `safetensors` (test_serialization).
    const header = '{"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}}';
    const bytes = Uint8Array.from([64, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode(header), ...Array(24).fill(0)]);
    const { tensors, metadata } = parseSafetensors(bytes);
    expect([...tensors]).toEqual([["attn.0", hostTensor("f32", [1, 2, 3], new Float32Array(6))]]);
    expect(metadata.size).toBe(0);
  });

  it.each([
    ["F64", Float64Array.of(0.1, -Infinity), "f32", Float32Array.of(0.1, -Infinity)],
    ["F32", Float32Array.of(1.5, NaN), "f32", Float32Array.of(1.5, NaN)],
    ["F16", Uint16Array.of(0x3c00, 0xc000), "f32", Float32Array.of(1, -2)],
    ["BF16", Uint16Array.of(0x3f80, 0xc000), "f32", Float32Array.of(1, -2)],
    ["I64", BigInt64Array.of(-(2n ** 31n), 2n ** 31n - 1n), "i32", Int32Array.of(-(2 ** 31), 2 ** 31 - 1)],
    ["I32", Int32Array.of(-1, 2), "i32", Int32Array.of(-1, 2)],
    ["I16", Int16Array.of(-1, 2), "i32", Int32Array.of(-1, 2)],
    ["I8", Int8Array.of(-1, 2), "i32", Int32Array.of(-1, 2)],
    ["U64", BigUint64Array.of(0n, 2n ** 32n - 1n), "u32", Uint32Array.of(0, 2 ** 32 - 1)],
    ["U32", Uint32Array.of(0, 2 ** 32 - 1), "u32", Uint32Array.of(0, 2 ** 32 - 1)],
    ["U16", Uint16Array.of(0, 65535), "i32", Int32Array.of(0, 65535)],
    ["U8", Uint8Array.of(0, 255), "i32", Int32Array.of(0, 255)],
    ["BOOL", Uint8Array.of(0, 1), "bool", Uint8Array.of(0, 1)],
  ])("reads %s", (type, values, dtype, data) => {
    expect(valuesOf(single(type, [2], bytesOf(values)))).toEqual({ dtype, shape: [2], data });
  });

  it("reads every half float as the standard's formula says", () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const read = valuesOf(single("F16", [65536], bytesOf(halves)))?.data as Float32Array;
    const wrong = [...halves].filter((half) => {
      const [sign, exponent, fraction] = [half >> 15 ? -1 : 1, (half >> 10) & 31, (half & 1023) / 1024];
      const finite = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
      const value = exponent < 31 ? sign * finite : fraction === 0 ? sign * Infinity : NaN;
      return !Object.is(read[half], value);
    });
    expect(wrong).toEqual([]);
  });

  it("reads scalars, empty tensors, padding, metadata, unknown fields and unaligned values", () => {
    const header = [
      `{ "__metadata__" : {"format":"pt","ünï":"\\u00e9\\n"}`,
      `"e":${entry("F32", [0, 3], 1, 1)}`,
      `"b":${entry("BOOL", [], 0, 1)}`,
      `"s":{"shape":[],"dtype":"I32","data_offsets":[1,5],"note":[null,true,false,-1.5e3,{}]} }   `,
    ].join(",");
    const { tensors, metadata } = parseSafetensors(file(header, [1, 7, 0, 0, 0]));
    expect([...metadata]).toEqual([
      ["format", "pt"],
      ["ünï", "é\n"],
    ]);
    expect(Object.fromEntries(tensors)).toEqual({
      e: hostTensor("f32", [0, 3], new Float32Array(0)),
      b: hostTensor("bool", [], Uint8Array.of(1)),
      s: hostTensor("i32", [], Int32Array.of(7)),
    });
  });

  it("reads names that mean something to JavaScript", () => {
    const { tensors } = parseSafetensors(file(`{"__proto__":${entry("U8", [1], 0, 1)}}`, [3]));
    expect(tensors.get("__proto__")).toEqual(hostTensor("i32", [1], Int32Array.of(3)));
  });

  it("copies: the caller may reuse its bytes", () => {
    const bytes = single("F32", [1], bytesOf(Float32Array.of(5)));
    const read = valuesOf(bytes);
    bytes.fill(0);
    expect(read).toEqual(hostTensor("f32", [1], Float32Array.of(5)));
  });

  const f32x2 = entry("F32", [2], 0, 8);
  const whole = file(`{"t":${f32x2}}`, Array(8).fill(0));
  const long = new Uint8Array(16).fill(0xff, 0, 8);
  const overCap = new Uint8Array(16);
  new DataView(overCap.buffer).setUint32(0, 100_000_001, true);

  it.each<[string, Uint8Array, string]>([
    ["an empty file", new Uint8Array(0), "truncated: 0 bytes, the header's length alone takes 8"],
    [
      "a header cut short",
      whole.slice(0, 40),
      `truncated: the header ends at byte ${whole.length - 8}, the file at byte 40`,
    ],
    ["a header of over 100 MB", overCap, "bytes 0 to 7: a header of 100000001 bytes, at most 100000000 are read"],
    ["another format", long, "bytes 0 to 7: a header of 18446744073709552000 bytes"],
    ["no header", file(""), 'byte 8: the header does not begin with "{"'],
    ["a list", file("[]"), 'byte 8: the header does not begin with "{"'],
    [
      "bytes that are not UTF-8",
      single("U8", [1], [1]).map((b, i) => (i === 10 ? 0xff : b)),
      "the header is not UTF-8",
    ],
    ["an unfinished header", file('{"t":'), "expected a JSON value at character 5 of the header, found its end"],
    ["bad JSON", file('{"t":{dtype}}'), 'expected a string at character 6 of the header, found "dtype}}"'],
    ["a missing comma", file('{"a":1 "b":2}'), 'expected "}" at character 7 of the header, found "\\"b\\":2}"'],
    ["a bad escape", file('{"\\x":1}'), "a string with a bad escape or control character at character 1"],
    ["an open string", file('{"abc'), "a string without an end at character 1"],
    ["more than a header", file("{} {}"), 'expected nothing more at character 3 of the header, found "{}"'],
    ["nesting without end", file(`{"t":${"[".repeat(5000)}`), "values nested deeper than 16 at character 20"],
    [
      "a name given twice",
      file(`{"t":${f32x2},"t":${f32x2}}`, Array(8).fill(0)),
      'key "t" a second time at character 54 of the header',
    ],
    ["a field given twice", file('{"t":{"dtype":"F32","dtype":"F64"}}'), 'key "dtype" a second time at character 20'],
    ["a tensor that is none", file('{"t":3}'), 'tensor "t": its entry is not an object'],
    ["no dtype", file('{"t":{}}'), 'tensor "t": no dtype'],
    [
      "an unknown dtype",
      file(`{"t":${entry("F8_E4M3", [1], 0, 1)}}`, [0]),
      'tensor "t": dtype F8_E4M3 is not one of F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL',
    ],
    [
      "a negative extent",
      file(`{"t":${entry("F32", [-1], 0, 4)}}`),
      'tensor "t": shape is not a list of whole numbers',
    ],
    ["no shape", file('{"t":{"dtype":"F32"}}'), 'tensor "t": shape is not a list of whole numbers'],
    [
      "offsets that are no numbers",
      file('{"t":{"dtype":"F32","shape":[],"data_offsets":["0",4]}}'),
      'tensor "t": data_offsets are not whole numbers',
    ],
    [
      "three offsets",
      file('{"t":{"dtype":"F32","shape":[],"data_offsets":[0,4,8]}}'),
      'tensor "t": data_offsets [0,4,8] are not two, [begin, end]',
    ],
    [
      "reversed offsets",
      file(`{"t":${entry("F32", [1], 4, 0)}}`),
      'tensor "t": data_offsets [4,0] end before they begin',
    ],
    [
      "values cut short",
      whole.slice(0, -3),
      'tensor "t": truncated: data_offsets [0,8], but 5 bytes follow the header',
    ],
    [
      "a shape of another size",
      file(`{"t":${entry("F32", [3], 0, 8)}}`, Array(8).fill(0)),
      'tensor "t": data_offsets [0,8] hold 8 bytes, F32 [3] takes 12',
    ],
    [
      "an absurd shape",
      file(`{"t":${entry("F64", [2 ** 53 - 1, 2 ** 53 - 1], 0, 8)}}`, Array(8).fill(0)),
      "hold 8 bytes, F64 [9007199254740991,9007199254740991] takes 6.49",
    ],
    [
      "an overlap",
      file(`{"b":${entry("F32", [2], 4, 12)},"a":${entry("F32", [2], 0, 8)}}`, Array(12).fill(0)),
      'tensor "b" begins at offset 4, inside tensor "a", which ends at 8',
    ],
    [
      "a gap",
      file(`{"a":${entry("F32", [1], 0, 4)},"b":${entry("F32", [1], 6, 10)}}`, Array(10).fill(0)),
      '2 bytes between tensor "a" (to offset 4) and tensor "b" are nobody\'s',
    ],
    [
      "a gap before the first",
      file(`{"a":${entry("F32", [1], 4, 8)}}`, Array(8).fill(0)),
      '4 bytes between the header (to offset 0) and tensor "a" are nobody\'s',
    ],
    ["trailing bytes", file(`{"t":${f32x2}}`, Array(9).fill(0)), '1 bytes follow tensor "t", which ends at offset 8'],
    ["values and no tensor", file("{}", [1, 2]), "2 bytes follow the header, which ends at offset 0"],
    ["metadata that is no object", file('{"__metadata__":[]}'), "__metadata__ is not an object of texts"],
    ["metadata that is no text", file('{"__metadata__":{"epoch":3}}'), '__metadata__: "epoch" is not a text'],
    [
      "an integer over 32 bits",
      single("I64", [2], bytesOf(BigInt64Array.of(1n, 2n ** 31n))),
      'tensor "t" (I64 at byte 63): element 1: 2147483648 is outside i32 (-2147483648 to 2147483647)',
    ],
    [
      "an unsigned one over 32 bits",
      single("U64", [1], bytesOf(BigUint64Array.of(2n ** 32n))),
      "element 0: 4294967296 is outside u32 (0 to 4294967295)",
    ],
    [
      "a double over f32",
      single("F64", [1], bytesOf(Float64Array.of(1e39))),
      "element 0: 1e+39 is too large for f32 (at most 3.4028235e38)",
    ],
    ["a bool that is none", single("BOOL", [3], [0, 1, 2]), "element 2: byte 2 is not a bool (0 or 1)"],
  ])("says what is wrong with %s", (_, bytes, message) => {
    expect(() => parseSafetensors(bytes, "f.safetensors")).toThrow(`safetensors: f.safetensors: `);
    expect(() => parseSafetensors(bytes, "f.safetensors")).toThrow(message);
  });

  it("throws nothing but FormatError at a damaged file", () => {
    const good = writeSafetensors({
      "fc.weight": hostTensor("f32", [2, 2], Float32Array.of(1, 2, 3, 4)),
      steps: hostTensor("i32", [], Int32Array.of(9)),
    });
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, length) => {
        const bytes = good.slice(0, length < at ? good.length : length);
        if (at < bytes.length) bytes[at] = byte;
        try {
          parseSafetensors(bytes);
        } catch (error) {
          expect(error).toHaveProperty("name", "FormatError");
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("writeSafetensors", () => {
  const shape = fc.array(fc.nat(4), { maxLength: 4 });
  const size = (s: readonly number[]) => s.reduce((a, b) => a * b, 1);
  const exactly = { noNaN: false, noDefaultInfinity: false };
  const tensor: fc.Arbitrary<HostTensor> = shape.chain((s) => {
    const sized = { minLength: size(s), maxLength: size(s) };
    return fc.oneof(
      fc.float32Array({ ...sized, ...exactly }).map((data) => hostTensor("f32", s, data)),
      fc.int32Array(sized).map((data) => hostTensor("i32", s, data)),
      fc.uint32Array(sized).map((data) => hostTensor("u32", s, data)),
      fc.uint8Array({ ...sized, max: 1 }).map((data) => hostTensor("bool", s, data)),
    );
  });
  const name = fc
    .string({ unit: "grapheme", maxLength: 12 })
    .filter((text) => text !== "__metadata__" && !/\p{Surrogate}/u.test(text));
  const named = fc.array(fc.tuple(name, tensor), { maxLength: 6 }).map((pairs) => new Map(pairs));

  it("is read back as it was, values at multiples of their size", () => {
    fc.assert(
      fc.property(named, fc.dictionary(name, fc.string({ unit: "grapheme" })), (tensors, metadata) => {
        const bytes = writeSafetensors(tensors, metadata);
        const read = parseSafetensors(bytes);
        expect(new Map(read.tensors)).toEqual(tensors);
        expect(read.metadata).toEqual(new Map([["format", "pt"], ...Object.entries(metadata)]));
        const headerBytes = new DataView(bytes.buffer).getUint32(0, true);
        expect(headerBytes % 8).toBe(0);
        const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)));
        for (const [key, { data }] of tensors) {
          const { data_offsets } = (header as Record<string, { data_offsets: [number, number] }>)[key]!;
          expect(data_offsets[0] % data.BYTES_PER_ELEMENT).toBe(0);
        }
      }),
    );
  });

  it("writes the same bytes for the same tensors in any order", () => {
    fc.assert(
      fc.property(named, (tensors) => {
        const reversed = new Map([...tensors].reverse());
        expect(writeSafetensors(reversed)).toEqual(writeSafetensors(tensors));
      }),
    );
  });

  it("writes these bytes", () => {
    const bytes = writeSafetensors(
      { b: hostTensor("bool", [1], Uint8Array.of(1)), a: hostTensor("f32", [1], Float32Array.of(1)) },
      { epoch: "3" },
    );
    const header =
      `{"__metadata__":{"format":"pt","epoch":"3"},"a":${entry("F32", [1], 0, 4)},"b":${entry("BOOL", [1], 4, 5)}}`.padEnd(
        152,
      );
    expect(new TextDecoder("latin1").decode(bytes.subarray(8, -5))).toBe(header);
    expect([...bytes.subarray(0, 8)]).toEqual([152, 0, 0, 0, 0, 0, 0, 0]);
    expect([...bytes.subarray(-5)]).toEqual([0, 0, 0x80, 0x3f, 1]);
  });

  it("keeps the bits of a NaN", () => {
    const data = new Float32Array(Uint32Array.of(0x7fc12345).buffer);
    const read = valuesOf(writeSafetensors({ t: hostTensor("f32", [1], data) }));
    expect(bytesOf(read?.data as Float32Array)).toEqual(bytesOf(data));
  });

  it("writes part of a larger array, and Node's Buffer as bools", () => {
    const part = new Float32Array([1, 2, 3, 4]).subarray(1, 3);
    const read = parseSafetensors(
      writeSafetensors({ a: hostTensor("f32", [2], part), b: hostTensor("bool", [1], Buffer.of(1)) }),
    );
    expect([...(read.tensors.get("a")?.data ?? [])]).toEqual([2, 3]);
    expect([...(read.tensors.get("b")?.data ?? [])]).toEqual([1]);
  });

  const wrong = (dtype: HostTensor["dtype"], extents: readonly number[], data: HostTensor["data"]) => ({
    t: { dtype, shape: extents, data },
  });
  it.each([
    [wrong("f32", [1], Int32Array.of(1)), 'safetensors: tensor "t": f32 is held by a Float32Array, got a Int32Array'],
    [wrong("f32", [2], Float32Array.of(1)), 'safetensors: tensor "t": shape [2] has 2 elements, data has 1'],
    [wrong("bool", [2], Uint8Array.of(1, 5)), 'safetensors: tensor "t": element 1 is 5, a bool is 0 or 1'],
    [
      { __metadata__: hostTensor("f32", [], Float32Array.of(1)) },
      'safetensors: tensor "__metadata__": this name is the metadata\'s own',
    ],
    [
      { "\ud800": hostTensor("f32", [], Float32Array.of(1)) },
      'safetensors: tensor "\\ud800": half a surrogate pair cannot be written',
    ],
  ])("refuses what no file can hold (%#)", (tensors, message) => {
    expect(() => writeSafetensors(tensors)).toThrow(message);
  });
});

describe("files", () => {
  it("are saved whole and loaded", async () => {
    const folder = await mkdtemp(join(tmpdir(), "texgrad-safetensors-"));
    const path = join(folder, "net.safetensors");
    const weight = hostTensor("f32", [2], Float32Array.of(1, 2));
    await saveSafetensors(path, { weight }, { epoch: "1" });
    const { tensors, metadata } = await loadSafetensors(path);
    expect([...tensors]).toEqual([["weight", weight]]);
    expect(metadata.get("epoch")).toBe("1");
    expect(await readdir(folder)).toEqual(["net.safetensors"]);
    await rm(folder, { recursive: true });
  });

  it("are named when they cannot be read", async () => {
    await expect(loadSafetensors("/nowhere/net.safetensors")).rejects.toThrow(
      "read /nowhere/net.safetensors: no such file or folder",
    );
  });
});
