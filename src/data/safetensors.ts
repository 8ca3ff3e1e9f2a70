/**
 * Reads and writes safetensors: 8 bytes of header length (little-endian), the header as JSON, the values. What PyTorch
 * writes is read with its names, and what is written here PyTorch reads.
 *
 * Not here: modules and state dicts (src/nn), files in several parts, pickles. A file is believed only as far as it is
 * checked: every byte belongs to exactly one tensor and every tensor has the bytes its shape takes.
 */
import { platform } from "#platform";
import { FormatError, ShapeError, TexgradError } from "../ir/errors.ts";
import { hostArray } from "../ir/dtype.ts";
import { numel, show } from "../ir/shape.ts";
import type { HostTensor } from "./host-tensor.ts";
import { decodeElements, ELEMENT_TYPES, type ElementType, encodeElements, WRITTEN_AS } from "./safetensors-types.ts";
import { type Json, type JsonObject, parseStrictJson } from "./strict-json.ts";

/** Tensors by name, and the texts of the header's `__metadata__`. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Named tensors to write: a Map or an object. */
export type NamedTensors = ReadonlyMap<string, HostTensor> | Readonly<Record<string, HostTensor>>;

const LENGTH_BYTES = 8;
/** As the reference implementation: more is no header but an attack or a wrong file. */
const MAX_HEADER_BYTES = 100_000_000;
/** The header is padded with spaces so that the values begin at a multiple of this. */
const ALIGNMENT = 8;
const METADATA = "__metadata__";

/** location: a path (Node) or URL. Throws as parseSafetensors, and what the platform throws when reading fails. */
export async function loadSafetensors(location: string): Promise<Safetensors> {
  return parseSafetensors(await platform.readBytes(location), location);
}

/** Writes whole or not at all. Throws as writeSafetensors, and what the platform throws when writing fails. */
export async function saveSafetensors(
  path: string,
  tensors: NamedTensors,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await platform.writeBytes(path, writeSafetensors(tensors, metadata));
}

interface Entry {
  readonly name: string;
  readonly typeName: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Bytes after the header, from begin up to, not including, end. */
  readonly begin: number;
  readonly end: number;
}

/**
 * bytes: a whole safetensors file. Result: its tensors in the header's order, copied out; F64, F16 and BF16 become
 * f32, U64 u32, other integers i32, BOOL bool. `source` names the bytes in errors.
 * Throws FormatError saying what and where when the file is truncated, its header is not JSON of the right form or
 * names a key twice, byte ranges do not fit, overlap or leave gaps, or a value does not fit its dtype.
 */
export function parseSafetensors(bytes: Uint8Array, source = "bytes"): Safetensors {
  const fail: (what: string) => never = (what) => {
    throw new FormatError(`safetensors: ${source}: ${what}`);
  };
  /** Errors of the parts are given the file's name. */
  const inFile = <T>(part: () => T): T => {
    try {
      return part();
    } catch (error) {
      return error instanceof FormatError ? fail(error.message) : raise(error);
    }
  };

  const start = LENGTH_BYTES + headerLength(bytes, fail);
  const header = inFile(() => parseHeader(bytes.subarray(LENGTH_BYTES, start)));
  const values = bytes.subarray(start);
  const entries: Entry[] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of header) {
    if (name === METADATA) metadata = inFile(() => parseMetadata(value));
    else entries.push(inFile(() => parseEntry(name, value, values.length)));
  }
  inFile(() => checkCover(entries, values.length));

  const tensors = new Map<string, HostTensor>();
  for (const { name, typeName, type, shape, begin, end } of entries) {
    try {
      tensors.set(name, { dtype: type.dtype, shape, data: decodeElements(type, values.subarray(begin, end)) });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      fail(`tensor ${JSON.stringify(name)} (${typeName} at byte ${start + begin}): ${error.message}`);
    }
  }
  return { tensors, metadata };
}

function raise(error: unknown): never {
  throw error;
}

function headerLength(bytes: Uint8Array, fail: (what: string) => never): number {
  if (bytes.length < LENGTH_BYTES) fail(`truncated: ${bytes.length} bytes, the header's length alone takes 8`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MAX_HEADER_BYTES) {
    fail(`bytes 0 to 7: a header of ${length} bytes, at most ${MAX_HEADER_BYTES} are read; is this safetensors?`);
  }
  if (length > bytes.length - LENGTH_BYTES) {
    fail(`truncated: the header ends at byte ${LENGTH_BYTES + length}, the file at byte ${bytes.length}`);
  }
  return length;
}

function parseHeader(bytes: Uint8Array): JsonObject {
  if (bytes[0] !== 0x7b) throw new FormatError('byte 8: the header does not begin with "{"');
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FormatError("the header is not UTF-8");
  }
  return parseStrictJson(text) as JsonObject; // it begins with "{"
}

function parseMetadata(value: Json): ReadonlyMap<string, string> {
  if (!(value instanceof Map)) throw new FormatError(`${METADATA} is not an object of texts`);
  const texts = new Map<string, string>();
  for (const [key, text] of value as JsonObject) {
    if (typeof text !== "string") throw new FormatError(`${METADATA}: ${JSON.stringify(key)} is not a text`);
    texts.set(key, text);
  }
  return texts;
}

function parseEntry(name: string, value: Json, available: number): Entry {
  const fail: (what: string) => never = (what) => {
    throw new FormatError(`tensor ${JSON.stringify(name)}: ${what}`);
  };
  const fields: JsonObject = value instanceof Map ? value : fail("its entry is not an object");
  const typeName = fields.get("dtype");
  if (typeof typeName !== "string") return fail("no dtype");
  const type = ELEMENT_TYPES.get(typeName);
  if (type === undefined) return fail(`dtype ${typeName} is not one of ${[...ELEMENT_TYPES.keys()].join(", ")}`);
  const shape = wholeNumbers(fields.get("shape")) ?? fail("shape is not a list of whole numbers");
  const offsets = wholeNumbers(fields.get("data_offsets")) ?? fail("data_offsets are not whole numbers");
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined || offsets.length > 2) {
    return fail(`data_offsets ${show(offsets)} are not two, [begin, end]`);
  }
  if (begin > end) fail(`data_offsets ${show(offsets)} end before they begin`);
  if (end > available) fail(`truncated: data_offsets ${show(offsets)}, but ${available} bytes follow the header`);
  const wanted = numel(shape) * type.bytes;
  if (end - begin !== wanted) {
    fail(`data_offsets ${show(offsets)} hold ${end - begin} bytes, ${typeName} ${show(shape)} takes ${wanted}`);
  }
  return { name, typeName, type, shape, begin, end };
}

function wholeNumbers(value: Json | undefined): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items: readonly Json[] = value;
  return items.every((item): item is number => Number.isSafeInteger(item) && (item as number) >= 0) ? items : undefined;
}

/** Every byte after the header belongs to exactly one tensor, as the format demands. */
function checkCover(entries: readonly Entry[], available: number): void {
  const inOrder = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let reached = 0;
  let last = "the header";
  for (const { name, begin, end } of inOrder) {
    const quoted = `tensor ${JSON.stringify(name)}`;
    if (begin < reached) {
      throw new FormatError(`${quoted} begins at offset ${begin}, inside ${last}, which ends at ${reached}`);
    }
    if (begin > reached) {
      throw new FormatError(
        `${begin - reached} bytes between ${last} (to offset ${reached}) and ${quoted} are nobody's`,
      );
    }
    reached = end;
    last = quoted;
  }
  if (reached < available) {
    throw new FormatError(`${available - reached} bytes follow ${last}, which ends at offset ${reached}`);
  }
}

/** The reference implementation's order: by type, widest first, so that every value is aligned; then by name. */
const WRITING_ORDER = ["f32", "u32", "i32", "bool"] as const;

/**
 * tensors: by name; metadata: texts for `__metadata__`, to which `format: "pt"` is added where it is missing (readers
 * of PyTorch models ask for it). Result: the file, the same bytes for the same tensors in whatever order.
 * Throws ShapeError when data does not have the elements of its shape, TexgradError for an array of another kind than
 * its dtype's, a bool that is not 0 or 1, or a name no file can hold.
 */
export function writeSafetensors(tensors: NamedTensors, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const named: [string, HostTensor][] = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  for (const [name, tensor] of named) checkWritable(name, tensor);
  const rank = ({ dtype }: HostTensor): number => WRITING_ORDER.indexOf(dtype);
  named.sort(([a, x], [b, y]) => rank(x) - rank(y) || (a < b ? -1 : 1));

  let offset = 0;
  const parts = [`${JSON.stringify(METADATA)}:${JSON.stringify({ format: "pt", ...metadata })}`];
  for (const [name, { dtype, shape, data }] of named) {
    const entry = { dtype: WRITTEN_AS[dtype], shape, data_offsets: [offset, offset + data.byteLength] };
    parts.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    offset += data.byteLength;
  }
  const text = new TextEncoder().encode(`{${parts.join(",")}}`);
  const headerBytes = Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new TexgradError(`safetensors: names and metadata take ${headerBytes} bytes, at most ${MAX_HEADER_BYTES}`);
  }

  const start = LENGTH_BYTES + headerBytes;
  const file = new Uint8Array(start + offset);
  new DataView(file.buffer).setUint32(0, headerBytes, true); // below 2^32, so the upper four bytes stay 0
  file.fill(0x20, LENGTH_BYTES, start);
  file.set(text, LENGTH_BYTES);
  let at = start;
  for (const [, { data }] of named) {
    encodeElements(data, file.subarray(at, at + data.byteLength));
    at += data.byteLength;
  }
  return file;
}

function checkWritable(name: string, { dtype, shape, data }: HostTensor): void {
  const quoted = `safetensors: tensor ${JSON.stringify(name)}`;
  if (name === METADATA) throw new TexgradError(`${quoted}: this name is the metadata's own`);
  if (/\p{Surrogate}/u.test(name)) throw new TexgradError(`${quoted}: half a surrogate pair cannot be written`);
  // The tag, not the constructor: Node's Buffer and arrays of another realm are Uint8Arrays and so on as well.
  const [kind, given] = [hostArray(dtype, 0)[Symbol.toStringTag], data[Symbol.toStringTag]];
  if (given !== kind) throw new TexgradError(`${quoted}: ${dtype} is held by a ${kind}, got a ${given}`);
  if (data.length !== numel(shape)) {
    throw new ShapeError(`${quoted}: shape ${show(shape)} has ${numel(shape)} elements, data has ${data.length}`);
  }
  if (dtype === "bool") {
    const wrong = data.findIndex((value: number) => value > 1);
    if (wrong !== -1) throw new TexgradError(`${quoted}: element ${wrong} is ${data[wrong]}, a bool is 0 or 1`);
  }
}
