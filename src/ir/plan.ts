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
  /** Kernels that are drawn together, by number; each is in one. Those of several write parts of one texture. */
  readonly draws: readonly (readonly number[])[];
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
  readonly stages: readonly PlanStage[];
  /** What became of each node of the last stage. */
  readonly fates: ReadonlyMap<Node, NodeFate>;
  /** What became of each node of the request's order. */
  readonly traced: ReadonlyMap<Node, TracedFate>;
}

/** The graph after a pass. */
export interface PlanStage {
  readonly name: string;
  readonly roots: readonly Node[];
  /** How often each law hit. */
  readonly hits: ReadonlyMap<string, number>;
}

export type NodeFate =
  /** In a buffer that is given. */
  | { readonly kind: "bound"; readonly buffer: number }
  | { readonly kind: "stored"; readonly reason: CutReason; readonly kernel: number }
  /** Part of the kernels that use it; several, where it is recomputed. */
  | {
      readonly kind: "inlined";
      readonly kernels: readonly number[];
      readonly why:
        | "epilogue"
        | "view"
        | "trivial"
        | "refetched at most four times"
        | "recomputed for want of a second target"
        | "expanding"
        | "phase"
        | "leaf";
    };

/** A traced node has the fate of the node it became, unless nothing is left of it. */
export type TracedFate =
  | { readonly kind: "became"; readonly node: Node; readonly fate: NodeFate }
  | { readonly kind: "folded"; readonly why: FoldReason; readonly law: string | null };

/** Why nothing is left of a traced node. A closed list; the dump prints it. */
export const foldReasons = {
  law: "a law made its users another way",
  macro: "it stands for several results, which became nodes of their own",
  differentiated: "only its gradient is asked for, and that does not read it",
  "at hand": "what needs it is in a buffer already",
  unread: "no element of it is read",
} as const;
export type FoldReason = keyof typeof foldReasons;

/** What the passes and the code generator may assume of a device. Asked of the context, never assumed. */
export interface DeviceProfile {
  readonly name: string;
  readonly maxTextureSize: number;
  /** Render targets proven to work together: 1, 2, 4 or 8. */
  readonly maxDrawBuffers: number;
  readonly maxTextureUnits: number;
  readonly maxFragmentUniformVectors: number;
  /** Fragments of one draw below which the device is not busy, and reductions are split; 0 where it always is. */
  readonly fragments: number;
  /** Multiply-adds (or fetches, each as eight) of one draw above which it is drawn in parts; Infinity where it never is. */
  readonly drawWork: number;
  /** Most rows of a register tile, each a render target: 1, 2, 4 or 8. */
  readonly tile: number;
  /** Steps of a contraction's loop in one trip. */
  readonly unroll: 4 | 8;
  /** How a texel is fetched. */
  readonly fetch: "texelFetch" | "textureLod";
  /** Names of optimisations switched off. */
  readonly off: readonly string[];
}
