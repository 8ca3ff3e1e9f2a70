/**
 * The reference device: the evaluator behind the device port. Slow and obvious; the oracle, and what everything above
 * the port is tested on without GL.
 */
import { expandMacros } from "./autodiff/expand.ts";
import type {
  CompileRequest,
  Device,
  DeviceBuffer,
  DeviceMemory,
  Executable,
  PlanStats,
  RunArguments,
  StoredTensor,
} from "./ir/device.ts";
import { BYTES_PER_ELEMENT, hostArray, type DType, type HostArray } from "./ir/dtype.ts";
import { DeviceError, InvariantError } from "./ir/errors.ts";
import { evaluate } from "./ir/eval.ts";
import { substitute, topologicalOrder } from "./ir/graph.ts";
import type { Node } from "./ir/node.ts";
import { carried } from "./ir/ops/leaf.ts";
import { numel, show, type Shape } from "./ir/shape.ts";

export interface ReferenceOptions {
  /** Bytes that may be in use; default 1 GiB. */
  readonly budget?: number;
  /** Elements of the largest tensor; default 2^26. */
  readonly largest?: number;
  readonly readsSynchronously?: boolean;
  /** Which nodes a plan stores for itself; default: the results of reductions that others read. */
  readonly keeps?: (n: Node) => boolean;
  /** Called before a run; what it throws is a device's failure. */
  readonly beforeRun?: () => void;
}

/** What the device has done, for tests. */
export interface ReferenceCounters {
  compiled: number;
  runs: number;
  /** Nodes evaluated, over all runs; reductions among them. */
  evaluated: number;
  reductions: number;
}

export interface ReferenceDevice extends Device {
  readonly counters: ReferenceCounters;
}

interface Memory {
  bytes: number;
  buffers: number;
  readonly budget: number;
}

/**
 * All buffers are row-major; layouts only say what they are for, so that a caller who confuses them is found out: what
 * cells are written in, what other results are written in, and what host arrays are sent in.
 */
const layouts = { cell: "cell", result: "result", input: "input" } as const;

class HostBuffer implements DeviceBuffer {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly layout: string;
  readonly bytes: number;
  readonly loss = null;
  readonly #owner: Memory;
  #values: HostArray | null;

  constructor(owner: Memory, values: HostArray, dtype: DType, shape: Shape, layout: string) {
    this.layout = layout;
    this.dtype = dtype;
    this.shape = shape;
    this.bytes = numel(shape) * BYTES_PER_ELEMENT;
    if (owner.bytes + this.bytes > owner.budget) {
      throw new DeviceError(`${this.bytes} bytes more than ${owner.bytes} pass the budget of ${owner.budget}`);
    }
    this.#values = values;
    this.#owner = owner;
    owner.bytes += this.bytes;
    owner.buffers += 1;
  }

  get values(): HostArray {
    if (this.#values === null) throw new InvariantError("a buffer is used after its release");
    return this.#values;
  }
  write(values: HostArray): void {
    if (this.#values === null) throw new InvariantError("a buffer is written after its release");
    this.#values = values;
  }
  readSync(): HostArray {
    return this.values.slice();
  }
  async read(): Promise<HostArray> {
    return this.readSync();
  }
  release(): void {
    if (this.#values === null) throw new InvariantError("a buffer is released twice");
    this.#values = null;
    this.#owner.bytes -= this.bytes;
    this.#owner.buffers -= 1;
  }
}

const valuesOf = (at: DeviceBuffer | HostArray): HostArray => {
  if (ArrayBuffer.isView(at)) return at;
  if (!(at instanceof HostBuffer)) throw new InvariantError("a buffer of another device");
  return at.values;
};

export function referenceDevice({
  budget = 2 ** 30,
  largest = 2 ** 26,
  readsSynchronously = true,
  keeps = (n) => n.op.kind === "reduce",
  beforeRun = () => {},
}: ReferenceOptions = {}): ReferenceDevice {
  const memory: Memory = { bytes: 0, buffers: 0, budget };
  const counters: ReferenceCounters = { compiled: 0, runs: 0, evaluated: 0, reductions: 0 };
  return {
    name: "reference",
    readsSynchronously,
    counters,
    compile(request): Executable {
      counters.compiled += 1;
      return new Reference(request, memory, counters, keeps, beforeRun);
    },
    upload: (array, dtype, shape, layout) => new HostBuffer(memory, array.slice(), dtype, shape, layout),
    checkFits(op, dtype, shape): void {
      if (numel(shape) > largest) {
        throw new DeviceError(
          `${op}: ${dtype}${show(shape)} has ${numel(shape)} elements, the reference device holds ${largest}`,
        );
      }
    },
    memory: (): DeviceMemory => ({ ...memory }),
  };
}

class Reference implements Executable {
  readonly leafLayouts: readonly string[];
  readonly stats: PlanStats;
  readonly #request: CompileRequest;
  readonly #rootLayouts: readonly string[];
  readonly #memory: Memory;
  readonly #counters: ReferenceCounters;
  readonly #beforeRun: () => void;
  /** Roots and kept nodes with macros expanded and every bound node replaced by a leaf. */
  readonly #graph: readonly Node[];
  /** The leaf that stands for each leaf slot. */
  readonly #bound: ReadonlyMap<Node, number>;
  readonly #uniforms: ReadonlyMap<Node, number>;
  readonly #keptNodes: readonly Node[];
  readonly #cost: { readonly nodes: number; readonly reductions: number };
  readonly #kept = new Map<Node, HostBuffer>();

  constructor(
    request: CompileRequest,
    memory: Memory,
    counters: ReferenceCounters,
    keeps: (n: Node) => boolean,
    beforeRun: () => void,
  ) {
    this.#request = request;
    this.#memory = memory;
    this.#counters = counters;
    this.#beforeRun = beforeRun;
    const roots = request.roots.map((r) => r.node);
    const all = expandMacros([...roots, ...request.leaves.map((l) => l.node)]);
    const expanded = all.slice(0, roots.length);
    // A computed node that is at hand becomes a leaf, once gradients have been taken through it.
    const by = new Map<Node, Node>();
    const bound = new Map<Node, number>();
    request.leaves.forEach((l, i) => {
      const node = all[roots.length + i]!;
      const leaf = node.inputs.length === 0 ? node : carried({ kind: "carried", value: l }, node.dtype, node.shape);
      by.set(node, leaf);
      bound.set(leaf, i);
    });
    const graph = substitute(expanded, by);
    const needed = new Set(topologicalOrder(graph));
    this.#keptNodes = request.order.filter(
      (n) => n.inputs.length > 0 && !by.has(n) && keeps(n) && n.op.kind !== "macro" && needed.has(n),
    );
    this.#graph = [...graph, ...this.#keptNodes];
    this.#bound = bound;
    this.#uniforms = new Map(request.uniforms.map((n, i) => [n, i]));
    const computed = [...needed].filter((n) => n.inputs.length > 0);
    this.#cost = { nodes: computed.length, reductions: computed.filter((n) => n.op.kind === "reduce").length };
    this.#rootLayouts = request.roots.map((r) =>
      r.assigns === null ? layouts.result : (r.assigns.layout ?? layouts.cell),
    );
    this.leafLayouts = request.leaves.map((l, i) => {
      const writer = request.roots.findIndex((r) => r.assigns?.leaf === i);
      return l.layout ?? this.#rootLayouts[writer] ?? layouts.input;
    });
    const bytes = this.#keptNodes.reduce((sum, n) => sum + numel(n.shape) * BYTES_PER_ELEMENT, 0);
    this.stats = { draws: computed.length, programs: computed.length, bytes };
  }

  run({ leaves, uniforms, outputs }: RunArguments): readonly DeviceBuffer[] {
    this.#beforeRun();
    leaves.forEach((at, i) => {
      if (ArrayBuffer.isView(at) || at.layout === this.leafLayouts[i]) return;
      throw new InvariantError(`leaf ${i} is bound to layout ${at.layout}, compiled for ${this.leafLayouts[i]}`);
    });
    const { roots } = this.#request;
    const values = evaluate(this.#graph, {
      bind: (leaf) => {
        const slot = this.#bound.get(leaf);
        if (slot !== undefined) return valuesOf(leaves[slot]!);
        const uniform = this.#uniforms.get(leaf);
        return uniform === undefined ? undefined : [uniforms[uniform]!];
      },
    });
    this.#counters.runs += 1;
    this.#counters.evaluated += this.#cost.nodes;
    this.#counters.reductions += this.#cost.reductions;
    const results = this.#graph.map((n, i) => {
      const array = hostArray(n.dtype, values[i]!.length);
      array.set(values[i]!);
      return array;
    });
    this.#keptNodes.forEach((n, i) => {
      const array = results[roots.length + i]!;
      const known = this.#kept.get(n);
      if (known === undefined) this.#kept.set(n, new HostBuffer(this.#memory, array, n.dtype, n.shape, layouts.result));
      else known.write(array);
    });
    const made: HostBuffer[] = [];
    try {
      return roots.map((r, i) => {
        const output = outputs[i];
        if (output == null) {
          const { dtype, shape } = r.node;
          const buffer = new HostBuffer(this.#memory, results[i]!, dtype, shape, this.#rootLayouts[i]!);
          made.push(buffer);
          return buffer;
        }
        if (!(output instanceof HostBuffer) || leaves.includes(output)) {
          throw new InvariantError("an output may not be one of the leaves");
        }
        if (output.layout !== this.#rootLayouts[i]) throw new InvariantError(`root ${i} has another layout`);
        output.write(results[i]!);
        return output;
      });
    } catch (error) {
      for (const b of made) b.release();
      throw error;
    }
  }

  kept(): ReadonlyMap<Node, DeviceBuffer> {
    return this.#kept;
  }

  tensors(): readonly StoredTensor[] {
    const stored = (node: Node, root: number | null): StoredTensor => {
      const { dtype, shape } = node;
      return { dtype, shape, bytes: numel(shape) * BYTES_PER_ELEMENT, node, traced: node, root };
    };
    return [...this.#keptNodes.map((n) => stored(n, null)), ...this.#request.roots.map((r, i) => stored(r.node, i))];
  }

  dispose(): void {
    for (const b of this.#kept.values()) b.release();
    this.#kept.clear();
  }
}
