/**
 * The wire: what one binary WebSocket message holds. Only this file knows where a field lies.
 *
 * A frame is a header of 32 bytes, little-endian, and a payload that begins at a multiple of 8, so that arrays over a
 * received payload need no copy where the message itself is aligned:
 *
 *     u16 magic | u8 version | u8 type | u32 term | u32 step | u16 attempt | u16 bucket
 *     u32 offset | u32 count | u8 codec | u8 flags | u16 slot | u32 payload bytes
 *
 * There is no checksum: WebSocket messages arrive whole or not at all, and TCP and TLS check what is in them.
 * Not here: what control messages say (messages.ts), how values become payload (codec.ts), what a frame may be at a
 * given moment (room.ts, member.ts).
 */
import { TexgradError } from "../ir/errors.ts";

/** What a peer sent is not what the protocol allows. The connection is closed with `code`. */
export class WireError extends TexgradError {
  override name = "WireError";
  /** A WebSocket close code: 1008 for a violation, 1009 for a size. */
  readonly code: 1008 | 1009;
  constructor(message: string, code: 1008 | 1009 = 1008) {
    super(message);
    this.code = code;
  }
}

/** control: JSON. grad: part of a contribution. sum: part of a sum. state: part of a snapshot. */
export type FrameType = "control" | "grad" | "sum" | "state";
const types: readonly FrameType[] = ["control", "grad", "sum", "state"];

export type CodecName = "f32" | "f16" | "bf16" | "int8" | "topk";
/** In the order of their numbers on the wire. */
export const codecNames: readonly CodecName[] = ["f32", "f16", "bf16", "int8", "topk"];

export interface Frame {
  readonly type: FrameType;
  /** Which life of the server: frames of an earlier one are stale. */
  readonly term: number;
  /** Of a collective, its number; of training, the step; of a snapshot, the step it is the state after. */
  readonly step: number;
  /** How many times this step's roster has been cut so far. */
  readonly attempt: number;
  readonly bucket: number;
  /** First element, counted in the bucket; of a snapshot, the first byte / 4. */
  readonly offset: number;
  /** Elements; of control frames 0. */
  readonly count: number;
  readonly codec: CodecName;
  /** Part of a collective (allReduce, broadcast) and not of a training step. */
  readonly collective: boolean;
  readonly slot: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

export const HEADER_BYTES = 32;
/** Control messages are short; leases and rosters are ranges. */
export const MAX_CONTROL_BYTES = 64 * 1024;
/** Elements of a chunk: 256 KiB of f32. */
export const CHUNK = 65_536;
/** No codec makes more of a chunk than f32 does, but for a few scales. */
export const MAX_FRAME_BYTES = HEADER_BYTES + CHUNK * 4 + 4096;

const MAGIC = 0x7467;
const VERSION = 1;
const COLLECTIVE = 1;

/** What of a frame need not be said. */
type Defaults = Partial<Omit<Frame, "type" | "payload">> & Pick<Frame, "type" | "payload">;

/** The bytes of a frame. The payload is copied. */
export function encodeFrame(frame: Defaults): Uint8Array<ArrayBuffer> {
  const { payload } = frame;
  const bytes = new Uint8Array(HEADER_BYTES + payload.byteLength);
  writeHeader(bytes, frame, payload.byteLength);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** Writes the header of a frame whose payload stands behind it already. */
export function writeHeader(bytes: Uint8Array<ArrayBuffer>, frame: Omit<Defaults, "payload">, length: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  view.setUint16(0, MAGIC, true);
  view.setUint8(2, VERSION);
  view.setUint8(3, types.indexOf(frame.type));
  view.setUint32(4, frame.term ?? 0, true);
  view.setUint32(8, frame.step ?? 0, true);
  view.setUint16(12, frame.attempt ?? 0, true);
  view.setUint16(14, frame.bucket ?? 0, true);
  view.setUint32(16, frame.offset ?? 0, true);
  view.setUint32(20, frame.count ?? 0, true);
  view.setUint8(24, codecNames.indexOf(frame.codec ?? "f32"));
  view.setUint8(25, frame.collective === true ? COLLECTIVE : 0);
  view.setUint16(26, frame.slot ?? 0, true);
  view.setUint32(28, length, true);
}

/** Reads a frame; its payload shares the bytes. Throws WireError that says which field is wrong. */
export function decodeFrame(bytes: Uint8Array<ArrayBuffer>): Frame {
  if (bytes.byteLength > MAX_FRAME_BYTES) {
    throw new WireError(`frame: ${bytes.byteLength} bytes, at most ${MAX_FRAME_BYTES}`, 1009);
  }
  if (bytes.byteLength < HEADER_BYTES) {
    throw new WireError(`frame: ${bytes.byteLength} bytes, the header alone has ${HEADER_BYTES}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  if (view.getUint16(0, true) !== MAGIC) throw new WireError("frame: does not begin as one of texgrad's");
  const version = view.getUint8(2);
  if (version !== VERSION) throw new WireError(`frame: of protocol version ${version}, this side speaks ${VERSION}`);
  const type = types[view.getUint8(3)];
  if (type === undefined) throw new WireError(`frame: type ${view.getUint8(3)} is none`);
  const codec = codecNames[view.getUint8(24)];
  if (codec === undefined) throw new WireError(`frame: codec ${view.getUint8(24)} is none`);
  const flags = view.getUint8(25);
  if (flags > COLLECTIVE) throw new WireError(`frame: flags ${flags} are none`);
  const length = view.getUint32(28, true);
  if (length !== bytes.byteLength - HEADER_BYTES) {
    throw new WireError(`frame: says ${length} bytes of payload, has ${bytes.byteLength - HEADER_BYTES}`);
  }
  const count = view.getUint32(20, true);
  if (type === "control") {
    if (length > MAX_CONTROL_BYTES) {
      throw new WireError(`frame: ${length} bytes of control, at most ${MAX_CONTROL_BYTES}`, 1009);
    }
    if (count !== 0) throw new WireError("frame: control has no elements");
  } else if (count === 0 || count > CHUNK) {
    throw new WireError(`frame: ${count} elements, must be 1 to ${CHUNK}`);
  }
  return {
    type,
    term: view.getUint32(4, true),
    step: view.getUint32(8, true),
    attempt: view.getUint16(12, true),
    bucket: view.getUint16(14, true),
    offset: view.getUint32(16, true),
    count,
    codec,
    collective: flags === COLLECTIVE,
    slot: view.getUint16(26, true),
    payload: bytes.subarray(HEADER_BYTES),
  };
}

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true });

/** A control frame around a message. Throws WireError where the message is too long to be one. */
export function encodeControl(term: number, message: object): Uint8Array<ArrayBuffer> {
  const payload = utf8.encode(JSON.stringify(message));
  if (payload.byteLength > MAX_CONTROL_BYTES) {
    throw new WireError(`control: ${payload.byteLength} bytes, at most ${MAX_CONTROL_BYTES}`, 1009);
  }
  return encodeFrame({ type: "control", term, payload });
}

/** The JSON of a control frame, whatever it says. Throws WireError where it is none. */
export function decodeControl(frame: Frame): unknown {
  try {
    return JSON.parse(fromUtf8.decode(frame.payload));
  } catch {
    throw new WireError("control: the payload is not JSON");
  }
}
