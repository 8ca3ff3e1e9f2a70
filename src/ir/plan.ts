/**
 * A plan before any device: the kernels of one submission in order, and the buffers they read and write.
 * Made by `passes`, spelled by `codegen`, run by `runtime`.
 */
import type { DType } from "./dtype.ts";
import type { CutReason, Kernel } from "./kernel.ts";
import type { Layout } from "./layout.ts";
import type { Node } from "./node.ts";

export interface PlanBuffer {
  readonly dtype: DType;
  readonly layout: Layout;
  /** The graph's node whose value this is, after the passes. */
  readonly node: Node;
  /** Set where the plan stores it; a leaf's buffer has none. */
  readonly reason: CutReason | null;
}

export interface KernelPlan {
  /** In an order that respects their reads and writes. */
  readonly kernels: readonly Kernel[];
  readonly buffers: readonly PlanBuffer[];
  /** Buffer of each leaf slot of the request; -1 for one that nothing reads. */
  readonly leaves: readonly number[];
  /** Buffer of each root slot; several roots may share one, and a root may be a leaf's own buffer (then it is copied). */
  readonly roots: readonly number[];
  /** Traced nodes (of the request's order) whose values are in buffers after the run. */
  readonly kept: ReadonlyMap<Node, number>;
  /** The graph after each pass and what became of each node, for the dump. */
  readonly record: PlanRecord | null;
}

/** Filled only when a dump is asked for. */
export interface PlanRecord {
  readonly stages: readonly { readonly name: string; readonly roots: readonly Node[] }[];
  /** What became of each node of the last stage. */
  readonly fates: ReadonlyMap<Node, NodeFate>;
}

export type NodeFate =
  | { readonly kind: "stored"; readonly reason: CutReason; readonly kernel: number }
  | {
      readonly kind: "inlined";
      readonly kernels: readonly number[];
      readonly why: "epilogue" | "view" | "trivial" | "refetched at most four times" | "expanding" | "phase" | "leaf";
    };

/** What the passes and the code generator may assume of a device. Asked of the context, never assumed. */
export interface DeviceProfile {
  readonly name: string;
  readonly maxTextureSize: number;
  /** Render targets proven to work together: 1, 2, 4 or 8. */
  readonly maxDrawBuffers: number;
  readonly maxTextureUnits: number;
  readonly maxFragmentUniformVectors: number;
  /** How a texel is fetched. */
  readonly fetch: "texelFetch" | "textureLod";
  /** Names of optimisations switched off. */
  readonly off: readonly string[];
}
