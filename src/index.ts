/**
 * texgrad's public entry: tensors, gradients, devices, errors; networks in `nn` and `F`, optimizers in `optim`, data.
 */
export * from "./trace/public.ts";
export * from "./functions/index.ts";
export * as nn from "./nn/index.ts";
export * as F from "./nn/functional.ts";
export * as optim from "./optim/index.ts";
export * from "./data/index.ts";
export { applyTuning, loadTuning, programManifest, tune, warmUp } from "./prepare.ts";
export type { TuneOptions, Tuning } from "./runtime/tuning.ts";
export type { ProgramManifest, WarmUp } from "./runtime/warm-up.ts";
export { gradcheck } from "./trace/gradcheck.ts";
export type { GradcheckOptions } from "./autodiff/check.ts";
export type { Device, DeviceMemory } from "./ir/device.ts";
export { type DeviceName, type DeviceOptions, selectDevice } from "./runtime/select.ts";
export type { DType, HostArray } from "./ir/dtype.ts";
export {
  ContextLostError,
  DeviceError,
  DisposedError,
  DtypeError,
  FormatError,
  GradError,
  InvariantError,
  OutOfMemoryError,
  ShapeError,
  StaleTensorError,
  TexgradError,
  type TensorMemory,
} from "./ir/errors.ts";
export type { Shape } from "./ir/shape.ts";
