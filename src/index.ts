/**
 * texgrad's public entry: tensors, gradients, devices, errors. Networks are in `nn`, optimizers in `optim`.
 */
export * from "./trace/public.ts";
export { gradcheck } from "./trace/gradcheck.ts";
export type { GradcheckOptions } from "./autodiff/check.ts";
export type { Device, DeviceMemory } from "./ir/device.ts";
export type { DType, HostArray } from "./ir/dtype.ts";
export {
  DeviceError,
  DisposedError,
  DtypeError,
  FormatError,
  GradError,
  InvariantError,
  ShapeError,
  StaleTensorError,
  TexgradError,
} from "./ir/errors.ts";
export type { Shape } from "./ir/shape.ts";
