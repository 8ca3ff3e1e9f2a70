/**
 * Reads IDX, the format of MNIST: two zero bytes, a type code, the number of dimensions, the extents (big-endian
 * 32-bit), then the values row-major and big-endian. Gzipped or not, told by the first bytes, never by the name.
 *
 * Not here: what the values mean, datasets (see dataset.ts), or writing.
 */
import { platform } from "#platform";
import { FormatError } from "../ir/errors.ts";
import { show } from "../ir/shape.ts";
import { inflateGzip, isGzip } from "./gzip.ts";

type IdxData = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** Values as the file has them, row-major, in the host's byte order: data.length is the product of shape. */
export type IdxArray =
  | { readonly type: "u8"; readonly shape: readonly number[]; readonly data: Uint8Array }
  | { readonly type: "i8"; readonly shape: readonly number[]; readonly data: Int8Array }
  | { readonly type: "i16"; readonly shape: readonly number[]; readonly data: Int16Array }
  | { readonly type: "i32"; readonly shape: readonly number[]; readonly data: Int32Array }
  | { readonly type: "f32"; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly type: "f64"; readonly shape: readonly number[]; readonly data: Float64Array };

interface IdxType {
  readonly type: IdxArray["type"];
  readonly bytes: number;
  readonly make: (length: number) => IdxData;
  readonly read: (view: DataView, at: number) => number;
}

/** The type codes of the format (byte 2). 0x0a was never given. */
const TYPES: ReadonlyMap<number, IdxType> = new Map<number, IdxType>([
  [0x08, { type: "u8", bytes: 1, make: (n) => new Uint8Array(n), read: (v, at) => v.getUint8(at) }],
  [0x09, { type: "i8", bytes: 1, make: (n) => new Int8Array(n), read: (v, at) => v.getInt8(at) }],
  [0x0b, { type: "i16", bytes: 2, make: (n) => new Int16Array(n), read: (v, at) => v.getInt16(at) }],
  [0x0c, { type: "i32", bytes: 4, make: (n) => new Int32Array(n), read: (v, at) => v.getInt32(at) }],
  [0x0d, { type: "f32", bytes: 4, make: (n) => new Float32Array(n), read: (v, at) => v.getFloat32(at) }],
  [0x0e, { type: "f64", bytes: 8, make: (n) => new Float64Array(n), read: (v, at) => v.getFloat64(at) }],
]);

/**
 * location: a path (Node) or URL, or the file's bytes; gzipped or not. Result: the array, a copy.
 * Throws FormatError when the bytes are not one whole IDX file, and what the platform throws when reading fails.
 */
export async function readIdx(location: string | Uint8Array): Promise<IdxArray> {
  const source = typeof location === "string" ? location : "bytes";
  const bytes = typeof location === "string" ? await platform.readBytes(location) : location;
  return parseIdx(isGzip(bytes) ? await inflateGzip(bytes, source) : bytes, source);
}

/**
 * bytes: one IDX file, not gzipped. Result: the array, a copy. `source` names the bytes in errors.
 * Throws FormatError naming the byte offset when the header is wrong, values are missing, or bytes follow them.
 */
export function parseIdx(bytes: Uint8Array, source = "bytes"): IdxArray {
  const fail: (what: string) => never = (what) => {
    throw new FormatError(`idx: ${source}: ${what}`);
  };
  if (isGzip(bytes)) fail("these bytes are gzipped; readIdx(bytes) inflates them");
  if (bytes.length < 4) fail(`truncated header: ${bytes.length} bytes, the first part of it takes 4`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0) !== 0) {
    fail(`bytes 0 and 1 are ${hex(bytes, 0)} and ${hex(bytes, 1)}, IDX begins with two zeros; is this an IDX file?`);
  }
  const type = TYPES.get(view.getUint8(2)) ?? fail(`byte 2: type code ${hex(bytes, 2)}, known are ${knownCodes()}`);
  const rank = view.getUint8(3);
  if (rank === 0) fail("byte 3: 0 dimensions, IDX arrays have at least 1");
  const start = 4 + 4 * rank;
  if (bytes.length < start) {
    fail(`truncated header: ${rank} dimensions end at byte ${start}, the file at byte ${bytes.length}`);
  }
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const count = shape.reduce((product, extent) => product * extent, 1);
  const end = start + count * type.bytes;
  const wanted = `${show(shape)} of ${type.type} takes ${end} bytes with its header`;
  if (!Number.isSafeInteger(end)) fail(`bytes 4 to ${start - 1}: ${wanted}: these extents are corrupt`);
  if (bytes.length < end) fail(`truncated: ${wanted}, the file has ${bytes.length}`);
  if (bytes.length > end) fail(`${bytes.length - end} bytes follow the values at byte ${end}: ${wanted}`);

  const data = type.make(count);
  if (type.type === "u8") data.set(bytes.subarray(start, end));
  else for (let i = 0; i < count; i++) data[i] = type.read(view, start + i * type.bytes);
  // `make` of each row of TYPES makes the array of that row's type.
  return { type: type.type, shape, data } as IdxArray;
}

function hex(bytes: Uint8Array, at: number): string {
  return hexByte(bytes[at] ?? 0);
}

function hexByte(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

function knownCodes(): string {
  return [...TYPES].map(([code, { type }]) => `${hexByte(code)} (${type})`).join(", ");
}
