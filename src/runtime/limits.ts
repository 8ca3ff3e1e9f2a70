/**
 * Whether a value fits a context at all, asked at the line that makes it and before anything is drawn.
 */
import type { DType } from "../ir/dtype.ts";
import { DeviceError } from "../ir/errors.ts";
import { layoutBytes, layoutOf } from "../ir/layout.ts";
import { numel, show, type Shape } from "../ir/shape.ts";
import type { TextureLimits } from "./textures.ts";

/** Throws DeviceError, naming the limit. Splitting a wide axis and panels make the default layout the one that fits. */
export function checkFits(op: string, dtype: DType, shape: Shape, limits: TextureLimits): void {
  const { maxTextureSize: side, budget } = limits;
  const layout = layoutOf(shape, limits);
  if (layout === null) {
    const texels = Math.ceil(numel(shape) / 4);
    throw new DeviceError(
      `${op}: ${dtype}${show(shape)} needs at least ${texels} texels, this context allows ` +
        `${side} x ${side} (MAX_TEXTURE_SIZE)`,
    );
  }
  const bytes = layoutBytes(layout);
  if (bytes > budget) {
    throw new DeviceError(
      `${op}: ${dtype}${show(shape)} needs ${bytes} bytes, the device's budget is ${budget} (option "budget")`,
    );
  }
}
