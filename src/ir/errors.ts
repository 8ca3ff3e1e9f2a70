/**
 * The errors texgrad throws, by whose fault they are and what can be done.
 *
 * All but InvariantError name the operation, what was given, what was wanted and, where known, the way out.
 * InvariantError is our fault, never the user's; it carries printed IR.
 */

/** Base of every error texgrad throws on purpose. */
export class TexgradError extends Error {
  override name = "TexgradError";
}

/** Shapes, axes or extents that do not fit an operation. */
export class ShapeError extends TexgradError {
  override name = "ShapeError";
}

/** A dtype an operation does not take. */
export class DtypeError extends TexgradError {
  override name = "DtypeError";
}

/** A value that could have been read once and no longer can: the cell it was computed from has moved on. */
export class StaleTensorError extends TexgradError {
  override name = "StaleTensorError";
}

/** A tensor used after `dispose()`. */
export class DisposedError extends TexgradError {
  override name = "DisposedError";
}

/** A misuse of grad mode, `backward`, hooks or an optimizer. */
export class GradError extends TexgradError {
  override name = "GradError";
}

/** The device cannot do it: no context, a limit, a lost context, out of memory. */
export class DeviceError extends TexgradError {
  override name = "DeviceError";
}

/**
 * The WebGL context went away (a GPU reset, a driver's update, too many contexts in one browser), and with it every value
 * that was on the device alone. Nothing was assigned by what threw it. The browser brings the context back by itself:
 * await `restored`, then restore the last snapshot (`snapshot`) or load a saved state; `survive` runs a loop that does.
 */
export class ContextLostError extends DeviceError {
  override name = "ContextLostError";
  /** Settles once the device works again, on a context restored in its place; rejects if it never will. */
  readonly restored: Promise<void>;
  /** `what`: what was lost, where it is something the user knows. */
  constructor({ restored }: { readonly restored: Promise<void> }, what = "") {
    super(
      `${what === "" ? "" : `${what}: `}the WebGL context was lost (the GPU was reset, the driver was updated, or there ` +
        "were too many contexts), and with it every value that was only on the device. The browser restores the context: " +
        "await error.restored, then restore the last snapshot, or load a saved state",
    );
    this.restored = restored;
  }
}

/** A tensor as an error about memory names it. */
export interface TensorMemory {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Of all its versions. */
  readonly bytes: number;
  /** What it is: a parameter's label, or the operation that computes it. */
  readonly what: string;
  /** The user's line that made it, or the nearest one it is computed from; "" where lines are not captured. */
  readonly line: string;
}

/**
 * The device's budget is too small, after all was freed that can be computed or sent again. Nothing was drawn and nothing
 * is lost: dispose of what is not needed, and repeat the call.
 */
export class OutOfMemoryError extends DeviceError {
  override name = "OutOfMemoryError";
  /** Bytes that were asked for at once. */
  readonly needed: number;
  /** The largest tensors of what was to run and of what is kept, largest first, ten at most. */
  readonly largest: readonly TensorMemory[];
  constructor(message: string, needed: number, largest: readonly TensorMemory[] = []) {
    super(message);
    this.needed = needed;
    this.largest = largest;
  }
}

/** A file or byte string that is not what its format says. */
export class FormatError extends TexgradError {
  override name = "FormatError";
}

/** Our fault. `detail` is the IR (or GLSL) at hand, printed below the message. */
export class InvariantError extends TexgradError {
  override name = "InvariantError";
  constructor(message: string, detail = "") {
    super(detail === "" ? `internal: ${message}` : `internal: ${message}\n${detail}`);
  }
}
