// jax-js's workloads, one module.
export * from "../workloads/jaxjs.js";
export * from "../sequences/jaxjs.js";
