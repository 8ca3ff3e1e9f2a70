// TensorFlow.js's workloads, one module.
export * from "../workloads/tfjs.js";
export * from "../sequences/tfjs.js";
