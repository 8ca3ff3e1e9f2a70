/**
 * Inflates gzip with the platform's DecompressionStream (browsers, Node 18 and later).
 *
 * Not here: deflate without gzip's header, or compressing. One member per file: what follows it is an error.
 */
import { FormatError } from "../ir/errors.ts";

/** The first three bytes of every gzip file: two of magic, then 8 for deflate, the only method there is. */
const MAGIC = [0x1f, 0x8b, 0x08] as const;
const HEADER_BYTES = 10;
const TRAILER_BYTES = 8;

/** More than any array file we read; a few bytes can inflate to a thousand times their size. */
const MAX_INFLATED_BYTES = 2 ** 30;

/** How much is fed at once: an error is placed to within one piece. */
const PIECE_BYTES = 1 << 16;

/** Whether these bytes begin as a gzip file does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === MAGIC[0] && bytes[1] === MAGIC[1];
}

/**
 * Inflates a gzip file. `source` names it in errors.
 * Throws FormatError when it is truncated or corrupt (checksum included), has bytes after its end, or would inflate
 * to more than 1 GiB.
 */
export async function inflateGzip(bytes: Uint8Array, source: string): Promise<Uint8Array> {
  const fail: (what: string) => never = (what) => {
    throw new FormatError(`gzip: ${source}: ${what}`);
  };
  if (bytes.length < HEADER_BYTES + TRAILER_BYTES) {
    fail(`truncated: ${bytes.length} bytes, header and trailer alone take ${HEADER_BYTES + TRAILER_BYTES}`);
  }
  if (bytes[2] !== MAGIC[2]) fail(`byte 2: compression method ${bytes[2]}, only 8 (deflate) exists`);

  let fed = 0;
  let inflatedBytes = 0;
  const pieces: Uint8Array[] = [];
  const stream = new DecompressionStream("gzip");
  const writer = stream.writable.getWriter();
  const feed = async (): Promise<void> => {
    while (fed < bytes.length) {
      // A copy: the stream may keep what it is given, and does not take shared memory.
      const piece = new Uint8Array(bytes.subarray(fed, fed + PIECE_BYTES));
      await writer.write(piece);
      fed += piece.length;
    }
    await writer.close();
  };
  // Handled below: the reader meets the same failure, and meets it first.
  const feeding = feed().catch(() => undefined);

  const reader = stream.readable.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      pieces.push(next.value);
      inflatedBytes += next.value.length;
      if (inflatedBytes > MAX_INFLATED_BYTES) break;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const reached = Math.min(fed + PIECE_BYTES, bytes.length);
    fail(
      `corrupt or truncated, within the first ${reached} of ${bytes.length} bytes, ` +
        `after ${inflatedBytes} inflated bytes: ${reason}`,
    );
  }
  if (inflatedBytes > MAX_INFLATED_BYTES) {
    await reader.cancel().catch(() => undefined);
    fail(`inflates to more than ${MAX_INFLATED_BYTES} bytes, the most this reader takes`);
  }
  await feeding;
  checkTrailer(bytes, inflatedBytes, fail);
  return join(pieces, inflatedBytes);
}

/** The last four bytes are the inflated size modulo 2^32. They disagree when something follows the compressed data. */
function checkTrailer(bytes: Uint8Array, inflatedBytes: number, fail: (what: string) => never): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stated = view.getUint32(bytes.length - 4, true);
  if (stated !== inflatedBytes >>> 0) {
    fail(
      `the size at byte ${bytes.length - 4} is ${stated}, but ${inflatedBytes} bytes were inflated: ` +
        "bytes follow the compressed data, or its end is missing",
    );
  }
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
