/**
 * The port between what is traced and what runs it. A device compiles a submission's graph into an executable and
 * runs it on buffers; it knows nothing of tensors, versions or staleness. The trace knows nothing of GL.
 */
import type { DType, HostArray } from "./dtype.ts";
import type { Node } from "./node.ts";
import type { Shape } from "./shape.ts";

/** That a device lost everything it held at once. One object for each time it happens. */
export interface ContextLoss {
  /** Settles once the device works again; rejects if it never will. */
  readonly restored: Promise<void>;
}

/** Storage on a device. */
export interface DeviceBuffer {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Canonical text of the layout; buffers of equal text may stand for each other in a plan. */
  readonly layout: string;
  readonly bytes: number;
  /** What took its values; null while it has them. */
  readonly loss: ContextLoss | null;
  /** Row-major values. Only reads wait for the device. */
  read(): Promise<HostArray>;
  readSync(): HostArray;
  release(): void;
}

/** One leaf of a request that is bound when the executable runs. */
export interface LeafSlot {
  /**
   * The node it stands for: an input, a cell's version, a carried value, or any computed node whose value is still at
   * hand from an earlier run (then the graph below it need not run).
   */
  readonly node: Node;
  /** The layout of the buffer it will be bound to; null where the host's array is bound or none exists yet. */
  readonly layout: string | null;
}

export interface RootSlot {
  readonly node: Node;
  /** The cell this root becomes the next version of. */
  readonly assigns: {
    /** Index in `leaves` of the cell's current version, or -1 if the graph does not read it. */
    readonly leaf: number;
    /** The layout every version must have; null while no plan has written the cell. */
    readonly layout: string | null;
  } | null;
}

/** A submission's graph. Macros are still folded; the device expands them. */
export interface CompileRequest {
  /** Every node in walk order, inputs before users; stops at `leaves`, except below nodes a macro differentiates. */
  readonly order: readonly Node[];
  readonly leaves: readonly LeafSlot[];
  /** Uniform leaves in walk order; their values come with each run. */
  readonly uniforms: readonly Node[];
  readonly roots: readonly RootSlot[];
}

export interface RunArguments {
  /** One per leaf slot: a buffer, or the host's array to upload (kept and not sent again while it is the same one). */
  readonly leaves: readonly (DeviceBuffer | HostArray)[];
  readonly uniforms: readonly number[];
  /** One per root: a buffer of the root's layout that may be overwritten, or null to allocate. Never one of `leaves`. */
  readonly outputs: readonly (DeviceBuffer | null)[];
}

/** What a plan costs, counted from the plan itself. */
export interface PlanStats {
  readonly draws: number;
  readonly programs: number;
  /** Bytes of all buffers the plan owns. */
  readonly bytes: number;
}

/** A tensor that takes storage when a plan runs. */
export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly bytes: number;
  /** Whose value it is, after the passes. */
  readonly node: Node;
  /** The node of the request's order that it is the value of; null for what only the passes know. */
  readonly traced: Node | null;
  /** Which root; null for what the plan stores for itself. */
  readonly root: number | null;
}

export interface Executable {
  /** The layout each leaf without one wants to be uploaded in. */
  readonly leafLayouts: readonly string[];
  readonly stats: PlanStats;
  /**
   * Queues the draws and returns one buffer per root (the given output, or a new one the caller owns). Atomic: on an
   * error no returned buffer exists and no leaf has changed.
   */
  run(args: RunArguments): readonly DeviceBuffer[];
  /**
   * Nodes of `order` whose values the last run stored anyway, with their buffers. Valid until the next run; the
   * executable keeps owning them.
   */
  kept(): ReadonlyMap<Node, DeviceBuffer>;
  /** What takes storage besides the buffers a run is given, for errors about memory. Of tensors that take turns, one. */
  tensors(): readonly StoredTensor[];
  dispose(): void;
}

export interface DeviceMemory {
  readonly bytes: number;
  readonly buffers: number;
  readonly budget: number;
}

export interface Device {
  readonly name: string;
  /** Whether a value can be read without an await at no risk (Node); a browser should not. */
  readonly readsSynchronously: boolean;
  compile(request: CompileRequest): Executable;
  upload(array: HostArray, dtype: DType, shape: Shape, layout: string): DeviceBuffer;
  /** Throws DeviceError, naming the limit, if no layout of this shape fits. Called before anything is drawn. */
  checkFits(op: string, dtype: DType, shape: Shape): void;
  memory(): DeviceMemory;
}
