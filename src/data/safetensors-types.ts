/**
 * The element types of safetensors files: how many bytes each takes and what it becomes here.
 *
 * Files hold more types than the four dtypes there are. What fits none exactly is narrowed: F64 is rounded to f32 and
 * 64-bit integers must be in range; nothing is wrapped or becomes infinite without a word. Values are little-endian.
 */
import { type DType, hostArray, type HostArray } from "../ir/dtype.ts";
import { FormatError } from "../ir/errors.ts";

export interface ElementType {
  /** Bytes of one element in the file. */
  readonly bytes: number;
  readonly dtype: DType;
  /** `data` holds the elements as they are in memory of a little-endian machine: they may be copied as bytes. */
  readonly isPlain: boolean;
  /** The element whose bytes begin at `at`; throws FormatError when the dtype cannot hold it. */
  readonly read: (view: DataView, at: number) => number;
}

const row = (
  dtype: DType,
  bytes: number,
  read: (view: DataView, at: number) => number,
  isPlain = false,
): ElementType => ({ bytes, dtype, isPlain, read });

/** By the name in the header. Not here: 8-bit and smaller floats, complex numbers. */
export const ELEMENT_TYPES: ReadonlyMap<string, ElementType> = new Map([
  ["F64", row("f32", 8, (v, at) => roundedFloat(v.getFloat64(at, true)))],
  ["F32", row("f32", 4, (v, at) => v.getFloat32(at, true), true)],
  ["F16", row("f32", 2, (v, at) => halfToFloat(v.getUint16(at, true)))],
  ["BF16", row("f32", 2, (v, at) => bitsToFloat(v.getUint16(at, true) << 16))],
  ["I64", row("i32", 8, (v, at) => narrowed(v.getBigInt64(at, true), "i32", -(2n ** 31n), 2n ** 31n - 1n))],
  ["I32", row("i32", 4, (v, at) => v.getInt32(at, true), true)],
  ["I16", row("i32", 2, (v, at) => v.getInt16(at, true))],
  ["I8", row("i32", 1, (v, at) => v.getInt8(at))],
  ["U64", row("u32", 8, (v, at) => narrowed(v.getBigUint64(at, true), "u32", 0n, 2n ** 32n - 1n))],
  ["U32", row("u32", 4, (v, at) => v.getUint32(at, true), true)],
  ["U16", row("i32", 2, (v, at) => v.getUint16(at, true))],
  ["U8", row("i32", 1, (v, at) => v.getUint8(at))],
  ["BOOL", row("bool", 1, (v, at) => truth(v.getUint8(at)))],
]);

/** The name each dtype is written as. */
export const WRITTEN_AS: Readonly<Record<DType, string>> = { f32: "F32", u32: "U32", i32: "I32", bool: "BOOL" };

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * bytes: count elements of `type`, at any alignment. Result: a new array of its dtype.
 * Throws FormatError "element i: ..." where one does not fit the dtype.
 */
export function decodeElements(type: ElementType, bytes: Uint8Array): HostArray {
  const data = hostArray(type.dtype, bytes.length / type.bytes);
  if (type.isPlain && isLittleEndian) {
    new Uint8Array(data.buffer).set(bytes);
    return data;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < data.length; i++) {
    try {
      data[i] = type.read(view, i * type.bytes);
    } catch (error) {
      if (error instanceof FormatError) throw new FormatError(`element ${i}: ${error.message}`);
      throw error;
    }
  }
  return data;
}

/** Writes an array's elements little-endian at the start of `target`, which has room for them. */
export function encodeElements(data: HostArray, target: Uint8Array): void {
  if (isLittleEndian || data instanceof Uint8Array) {
    target.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return;
  }
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  for (const [i, value] of data.entries()) {
    if (data instanceof Float32Array) view.setFloat32(4 * i, value, true);
    else view.setUint32(4 * i, value, true);
  }
}

function roundedFloat(value: number): number {
  const rounded = Math.fround(value);
  if (Number.isFinite(value) && !Number.isFinite(rounded)) {
    throw new FormatError(`${value} is too large for f32 (at most 3.4028235e38)`);
  }
  return rounded;
}

const bits = new DataView(new ArrayBuffer(4));

function bitsToFloat(word: number): number {
  bits.setInt32(0, word);
  return bits.getFloat32(0);
}

/** IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits; all of them are exact in f32. */
function halfToFloat(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return (sign === 0 ? 1 : -1) * fraction * 2 ** -24;
  if (exponent === 31) return bitsToFloat(sign | 0x7f800000 | (fraction << 13));
  return bitsToFloat(sign | ((exponent + 127 - 15) << 23) | (fraction << 13));
}

function narrowed(value: bigint, dtype: DType, least: bigint, most: bigint): number {
  if (value < least || value > most) throw new FormatError(`${value} is outside ${dtype} (${least} to ${most})`);
  return Number(value);
}

function truth(byte: number): number {
  if (byte > 1) throw new FormatError(`byte ${byte} is not a bool (0 or 1)`);
  return byte;
}
