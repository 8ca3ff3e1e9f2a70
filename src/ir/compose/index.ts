/** Library functions over nodes that are compositions of ops. Numbers in them are literals, extents are counts. */
export * from "./activation.ts";
export * from "./adaptive-pool.ts";
export * from "./attention.ts";
export * from "./conv.ts";
export * from "./embedding.ts";
export * from "./loss.ts";
export * from "./matmul.ts";
export * from "./norm.ts";
export * from "./pool.ts";
export * from "./promote.ts";
export * from "./random.ts";
export * from "./reduction.ts";
export * from "./select.ts";
export * from "./softmax.ts";
export type { Pair, Single, Triple } from "./spatial.ts";
