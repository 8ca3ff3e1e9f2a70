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
