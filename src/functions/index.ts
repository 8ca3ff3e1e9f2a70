/** Functions on tensors beyond Tensor's methods, with torch's names; `texgrad/methods` makes methods of them. */
export * from "./arrange.ts";
export * from "./contract.ts";
export * from "./core.ts";
export * from "./elementwise.ts";
export * from "./index-by.ts";
export * from "./reductions.ts";
export * from "./search.ts";
