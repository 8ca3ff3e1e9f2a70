/**
 * The graph: immutable, interned nodes, and what a definition of an op must say. Knows no particular op.
 *
 * A node holds its definition (`node.op`), not a name, so nothing outside the definitions compares names. Two equal
 * nodes are one object: a node is interned in the table of its youngest input, so it lives exactly as long as that
 * input and no weak reference is needed. Leaves with a source are not interned here; the source keeps its node.
 */
import type { DType } from "./dtype.ts";
import { InvariantError, ShapeError } from "./errors.ts";
import { sameShape, show, type Shape } from "./shape.ts";
import type { Source } from "./source.ts";
import type { IndexAlgebra } from "./indexing.ts";

export type AttrValue = number | boolean | string | readonly number[];
export type Attrs = Readonly<Record<string, AttrValue>>;
export const noAttrs: Attrs = Object.freeze({});

export interface Node {
  /** Creation order; an input's id is always smaller. */
  readonly id: number;
  readonly op: Definition;
  readonly inputs: readonly Node[];
  readonly attrs: Attrs;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Structural, without leaf identity: equal programs hash equal in every run. */
  readonly hash: number;
  /** What a leaf stands for; absent on literals, counts, iotas and everything that is not a leaf. */
  readonly source?: Source;
}

export type Definition =
  | LeafDefinition
  | MapDefinition
  | ViewDefinition
  | ReduceDefinition
  | GatherDefinition
  | MacroDefinition
  | ItemDefinition;
export type Kind = Definition["kind"];

interface Named {
  readonly name: string;
  /** One or two sentences, with the formula where there is one. Printed in the op table of the docs. */
  readonly doc: string;
}

/**
 * How a leaf is spelled in a kernel: `literal` by value in the text, `uniform` and `count` as uniforms (a count is a
 * number made from an extent), `iota` as a coordinate, `buffer` as a texture.
 */
export interface LeafDefinition extends Named {
  readonly kind: "leaf";
  readonly role: "literal" | "uniform" | "count" | "iota" | "buffer";
}

/** Where tests may probe one operand: a closed range, or just these values. */
export type Samples = { readonly from: number; readonly to: number } | { readonly values: readonly number[] };

/** Names of a GLSL type, for templates: element type, and the type of one value (scalar or four lanes). */
export interface GlslType {
  readonly element: "float" | "int" | "uint";
  /** "float" | "vec4" | "int" | "ivec4" | "uint" | "uvec4". */
  readonly value: string;
  /** The float type of the same width: what comparisons give (bool lives as 0.0 and 1.0). */
  readonly mask: "float" | "vec4";
  readonly lanes: 1 | 4;
}

/** A helper a template calls; emitted once per type it is used with (GLSL overloads by type). */
export interface GlslFunction {
  readonly name: string;
  readonly source: (t: GlslType) => string;
  readonly needs?: readonly GlslFunction[];
}

/**
 * An elementwise op: all operands have the result's shape. bool values are 0.0/1.0 floats in GLSL and 0/1 numbers in
 * JavaScript.
 */
export interface MapDefinition extends Named {
  readonly kind: "map";
  readonly arity: number;
  /** The result's dtype; throws DtypeError for operands the op does not take. */
  readonly dtype: (operands: readonly DType[], attrs: Attrs) => DType;
  /** The exact meaning in double precision; the evaluator rounds to the result's dtype. */
  readonly evaluate: (x: readonly number[], attrs: Attrs, operands: readonly DType[]) => number;
  /** An expression over the operands, all of `operand` type. */
  readonly glsl: (x: readonly string[], operand: GlslType, attrs: Attrs) => string;
  readonly needs?: readonly GlslFunction[];
  /** An expression over JavaScript numbers; the lowering rounds the result to its dtype. `h` names the helpers. */
  readonly js: (x: readonly string[], operands: readonly DType[], attrs: Attrs) => string;
  readonly helpers?: readonly JsFunction[];
  /** Cotangents of the operands; null where the derivative is zero everywhere or does not exist. */
  readonly vjp: ((g: Node, y: Node, x: readonly Node[], attrs: Attrs) => readonly (Node | null)[]) | null;
  readonly samples: readonly Samples[];
  /** Operand dtypes tests probe; default f32 for every operand. */
  readonly probes?: readonly (readonly DType[])[];
  /** Attributes tests probe, each with all dtypes; default none. */
  readonly probeAttrs?: readonly Attrs[];
  /** Relative tolerance on a device where it must be looser than 2e-5, with its reason in the doc. */
  readonly tolerance?: number;
  /** Operands for which GLSL does not give the meaning (huge, say), with the reason in the doc. Tests alone ask. */
  readonly inexact?: (x: readonly number[]) => boolean;
  /** Law 1: a cast, a mask, a sign: recomputing costs less than a fetch. */
  readonly trivial?: boolean;
  /** A value of one operand that makes the result the other one: x * 1, x + 0, x / 1. */
  readonly neutral?: { readonly right?: number; readonly left?: number };
  /** Whether the result is operand 0 itself: detach, a cast to the same dtype. */
  readonly passes?: (operand: DType, attrs: Attrs) => boolean;
  /** Operands in each of which the op is linear while the others stand: both of a product, the first of a quotient. */
  readonly linear?: readonly number[];
  /** Linear in all operands together: a + b, a - b. */
  readonly additive?: boolean;
  /** An operand of this value is the result whatever the others are, if they are numbers: 0 of a product. */
  readonly absorbing?: number;
  /** Canonical operand order may be changed by the interner: `op(a, b) = op(b, a)` bit for bit. */
  readonly commutative?: boolean;
}

export interface JsFunction {
  readonly name: string;
  /** A JavaScript function expression. */
  readonly source: string;
}

/**
 * A view is its pull-back: from an output coordinate to the input coordinate it reads, and where it is valid.
 * Outside, the value is `attrs.fill` (default 0).
 */
export interface ViewDefinition extends Named {
  readonly kind: "view";
  /** The result's shape; throws ShapeError. */
  readonly shape: (input: Shape, attrs: Attrs) => Shape;
  readonly pull: <I, B>(
    a: IndexAlgebra<I, B>,
    out: readonly I[],
    attrs: Attrs,
    input: Shape,
  ) => { readonly at: readonly I[]; readonly valid: readonly B[] };
  /** Whether distinct valid outputs read distinct inputs. */
  readonly injective: (attrs: Attrs, input: Shape) => boolean;
  /** Whether some outputs are not valid. */
  readonly fills: (attrs: Attrs, input: Shape) => boolean;
  /** The attrs of the same view on an input with `extra` leading axes that pass through untouched. */
  readonly lift: (attrs: Attrs, extra: Shape) => Attrs;
  readonly vjp: (g: Node, x: Node, attrs: Attrs) => Node;
}

/** Combines all elements along `attrs.axes` (sorted, at least one), which disappear. */
export interface ReduceDefinition extends Named {
  readonly kind: "reduce";
  readonly dtype: (operand: DType, attrs: Attrs) => DType;
  /** The accumulator's start, in the accumulator's dtype (the result's, or the operand's if it carries an index). */
  readonly identity: (operand: DType) => number;
  /**
   * `fold`: acc = combine(acc, x). `index`: keeps the first best x and gives its position in the (one) reduced axis.
   */
  readonly form: "fold" | "index";
  /** fold: the new accumulator. index: nonzero where x is better than the best so far. */
  readonly combine: (acc: number, x: number, operand: DType) => number;
  readonly glsl: (acc: string, x: string, t: GlslType) => string;
  readonly needs?: readonly GlslFunction[];
  readonly js: (acc: string, x: string, operand: DType) => string;
  readonly vjp: ((g: Node, y: Node, x: Node, attrs: Attrs) => Node | null) | null;
  readonly samples: Samples;
  readonly probes?: readonly DType[];
  /** reduce(k x + y) = k reduce x + reduce y. */
  readonly linear?: boolean;
  /** Whether an empty axis has a result (sum 0, prod 1, any false ...); amax of nothing throws, as torch. */
  readonly empty: boolean;
}

/** inputs (x, index): reads x at a computed coordinate along `attrs.axis`; torch's gather. */
export interface GatherDefinition extends Named {
  readonly kind: "gather";
  readonly vjp: (g: Node, x: Node, index: Node, attrs: Attrs) => Node;
}

/** Several results at once, expanded into a graph only when a plan is made (gradients, optimizer updates). */
export interface MacroDefinition extends Named {
  readonly kind: "macro";
  readonly results: (
    inputs: readonly Node[],
    attrs: Attrs,
  ) => readonly { readonly shape: Shape; readonly dtype: DType }[];
  readonly expand: (inputs: readonly Node[], attrs: Attrs) => readonly Node[];
}

/** The result `attrs.index` of a macro. */
export interface ItemDefinition extends Named {
  readonly kind: "item";
}

let nextId = 1;

class GraphNode implements Node {
  readonly id = nextId++;
  readonly op: Definition;
  readonly inputs: readonly Node[];
  readonly attrs: Attrs;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly hash: number;
  declare readonly source?: Source;
  /** Nodes whose youngest input is this one. */
  consumers: InternTable | null = null;
  /** The next of its table whose hash is in the same place. */
  sibling: GraphNode | null = null;
  constructor(
    op: Definition,
    inputs: readonly Node[],
    attrs: Attrs,
    dtype: DType,
    shape: Shape,
    hash: number,
    source: Source | undefined,
  ) {
    this.op = op;
    this.inputs = inputs;
    this.attrs = attrs;
    this.dtype = dtype;
    this.shape = shape;
    this.hash = hash;
    if (source !== undefined) this.source = source;
  }
}

/**
 * Nodes by their hashes, in chains. Most nodes have few consumers and thousands of nodes are made in every step, so a
 * table is one chain until that is long.
 */
class InternTable {
  #first: GraphNode | null = null;
  #size = 0;
  #chains: Map<number, GraphNode> | null = null;

  find(op: Definition, inputs: readonly Node[], attrs: Attrs, dtype: DType, shape: Shape, hash: number): Node | null {
    let n = this.#chains === null ? this.#first : (this.#chains.get(hash) ?? null);
    for (; n !== null; n = n.sibling) {
      if (n.hash !== hash || n.op !== op || !sameInputs(n.inputs, inputs) || !sameAttrs(n.attrs, attrs)) continue;
      // Inputs imply dtype and shape; a root has none.
      if (inputs.length > 0 || (n.dtype === dtype && sameShape(n.shape, shape))) return n;
    }
    return null;
  }

  add(made: GraphNode): void {
    this.#size += 1;
    if (this.#chains === null && this.#size > LONG_CHAIN) {
      this.#chains = new Map<number, GraphNode>();
      for (let n = this.#first; n !== null;) {
        const next = n.sibling;
        this.#insert(n, this.#chains);
        n = next;
      }
    }
    if (this.#chains === null) {
      made.sibling = this.#first;
      this.#first = made;
    } else this.#insert(made, this.#chains);
  }

  #insert(n: GraphNode, chains: Map<number, GraphNode>): void {
    n.sibling = chains.get(n.hash) ?? null;
    chains.set(n.hash, n);
  }
}

const LONG_CHAIN = 8;

/** Nodes without inputs and without a source: literals, counts, iotas. A program spells finitely many. */
const roots = new InternTable();

function sameInputs(a: readonly Node[], b: readonly Node[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether attributes are equal, numbers bit by bit: -0, NaN and infinities keep apart. */
export function sameAttrs(a: Attrs, b: Attrs): boolean {
  if (a === b) return true;
  for (const k in a) {
    const x = a[k]!;
    const y = b[k];
    if (typeof x === "object") {
      if (typeof y !== "object" || x.length !== y.length) return false;
      for (let i = 0; i < x.length; i++) if (!Object.is(x[i], y[i])) return false;
    } else if (!Object.is(x, y)) return false;
  }
  for (const k in b) if (a[k] === undefined) return false;
  return true;
}

const mix = (h: number, x: number): number => Math.imul((h << 5) ^ (h >>> 27) ^ x, 0x9e3779b1);

function hashText(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}

/** Hashes of names of ops, attributes and dtypes, which are few. */
const hashes = new Map<string, number>();
function hashName(name: string): number {
  let h = hashes.get(name);
  if (h === undefined) hashes.set(name, (h = hashText(name)));
  return h;
}

const bits = new Float64Array(1);
const words = new Int32Array(bits.buffer);
function hashNumber(x: number): number {
  if (Number.isInteger(x) && x !== 0) return x | 0;
  bits[0] = x;
  return mix(words[0]!, words[1]!);
}

function hashAttr(h: number, v: AttrValue): number {
  if (typeof v === "number") return mix(h, hashNumber(v));
  if (typeof v !== "object") return mix(h, typeof v === "string" ? hashText(v) : Number(v));
  let all = mix(h, v.length);
  for (const e of v) all = mix(all, hashNumber(e));
  return all;
}

/** Of everything but the inputs. */
function hashOwn(op: Definition, attrs: Attrs, dtype: DType, shape: Shape): number {
  let h = mix(hashName(op.name), hashName(dtype));
  for (const n of shape) h = mix(h, n);
  for (const k in attrs) h = hashAttr(mix(h, hashName(k)), attrs[k]!);
  return h;
}

/** The one place where nodes are made. `dtype` and `shape` are already inferred by the builders below. */
function intern(op: Definition, inputs: readonly Node[], attrs: Attrs, dtype: DType, shape: Shape): Node {
  let youngest: GraphNode | undefined;
  let hash = hashOwn(op, attrs, dtype, shape);
  for (const n of inputs) {
    hash = mix(hash, n.hash);
    if (youngest === undefined || n.id > youngest.id) youngest = n as GraphNode;
  }
  const table = youngest === undefined ? roots : (youngest.consumers ??= new InternTable());
  const known = table.find(op, inputs, attrs, dtype, shape, hash);
  if (known !== null) return known;
  const made = new GraphNode(op, inputs, attrs, dtype, shape, hash, undefined);
  table.add(made);
  return made;
}

/** A leaf that stands for a source. Not interned: whoever owns the source keeps its node. */
export function sourceLeaf(
  op: LeafDefinition,
  source: Source,
  dtype: DType,
  shape: Shape,
  attrs: Attrs = noAttrs,
): Node {
  return new GraphNode(op, [], attrs, dtype, shape, hashOwn(op, attrs, dtype, shape), source);
}

/** A leaf without a source: literal, count, iota. */
export function leaf(op: LeafDefinition, dtype: DType, shape: Shape, attrs: Attrs): Node {
  return intern(op, [], attrs, dtype, shape);
}

/** Applies an elementwise op; all operands must already have one shape. */
export function map(op: MapDefinition, x: readonly Node[], attrs: Attrs = noAttrs): Node {
  const first = x[0];
  if (first === undefined || x.length !== op.arity)
    throw new InvariantError(`${op.name}: ${x.length} operands, takes ${op.arity}`);
  for (const n of x) {
    if (!sameShape(n.shape, first.shape))
      throw new ShapeError(`${op.name}: operands ${x.map((e) => show(e.shape)).join(", ")} differ in shape`);
  }
  return intern(
    op,
    x,
    attrs,
    op.dtype(
      x.map((n) => n.dtype),
      attrs,
    ),
    first.shape,
  );
}

export function view(op: ViewDefinition, x: Node, attrs: Attrs): Node {
  const shape = op.shape(x.shape, attrs);
  return intern(op, [x], attrs, x.dtype, shape);
}

/** Reduces over sorted, distinct, non-empty `axes`. */
export function reduce(op: ReduceDefinition, x: Node, axes: readonly number[]): Node {
  const attrs = { axes };
  if (axes.length === 0) throw new InvariantError(`${op.name}: no axes`);
  if (op.form === "index" && axes.length !== 1)
    throw new InvariantError(`${op.name}: takes one axis, got ${show(axes)}`);
  if (!op.empty && axes.some((a) => x.shape[a] === 0)) {
    throw new ShapeError(
      `${op.name}: ${show(x.shape)} has no elements along axis ${axes.find((a) => x.shape[a] === 0)}, and ${op.name} of nothing has no value`,
    );
  }
  return intern(
    op,
    [x],
    attrs,
    op.dtype(x.dtype, attrs),
    x.shape.filter((_, i) => !axes.includes(i)),
  );
}

/** x: [.., n, ..], index: integers of the same rank; result has index's shape. */
export function gatherNode(op: GatherDefinition, x: Node, index: Node, axis: number): Node {
  return intern(op, [x, index], { axis }, x.dtype, index.shape);
}

export function macro(op: MacroDefinition, inputs: readonly Node[], attrs: Attrs): Node {
  return intern(op, inputs, attrs, "f32", []);
}

const itemDefinition: ItemDefinition = { kind: "item", name: "item", doc: "One result of a macro." };

let lastMacro: Node | null = null;
let lastResults: ReturnType<MacroDefinition["results"]> = [];

export function item(of: Node, index: number): Node {
  if (of.op.kind !== "macro") throw new InvariantError(`item of ${of.op.name}`);
  // All results of one macro are asked for one after the other.
  if (lastMacro !== of) [lastMacro, lastResults] = [of, of.op.results(of.inputs, of.attrs)];
  const result = lastResults[index];
  if (result === undefined) throw new InvariantError(`${of.op.name} has no result ${index}`);
  return intern(itemDefinition, [of], { index }, result.dtype, result.shape);
}

/** The same op and attrs on other inputs: how passes rebuild a graph. */
export function rebuild(n: Node, inputs: readonly Node[]): Node {
  if (inputs.every((e, i) => e === n.inputs[i])) return n;
  switch (n.op.kind) {
    case "leaf":
      return n;
    case "map":
      return map(n.op, inputs, n.attrs);
    case "view":
      return view(n.op, inputs[0]!, n.attrs);
    case "reduce":
      return reduce(n.op, inputs[0]!, n.attrs["axes"] as readonly number[]);
    case "gather":
      return gatherNode(n.op, inputs[0]!, inputs[1]!, n.attrs["axis"] as number);
    case "macro":
      return macro(n.op, inputs, n.attrs);
    case "item":
      return item(inputs[0]!, n.attrs["index"] as number);
  }
}
