/**
 * Kernel form: one draw before it is spelled. What is computed for each point of the parallel axes, as phases of
 * reductions and the expressions stored at the end. Knows logical indices and layouts, no GLSL, no textures.
 *
 * Every expression is a value at one point: a point of the parallel axes and, inside a phase, of its reduce axes.
 */
import type { Axis, Condition, Index } from "./affine.ts";
import type { DType } from "./dtype.ts";
import type { Layout } from "./layout.ts";
import type { Attrs, MapDefinition, ReduceDefinition } from "./node.ts";
import type { Shape } from "./shape.ts";

export type Expr = LoadExpr | MapExpr | SelectExpr | IndexExpr | LiteralExpr | UniformExpr | ResultExpr;

interface ExprBase {
  /** Unique in its kernel; operands have smaller ids. */
  readonly id: number;
  readonly dtype: DType;
}

/** The element of `buffer` at a logical index (one per axis of its shape) where all of `valid` hold, else `fill`. */
export interface LoadExpr extends ExprBase {
  readonly kind: "load";
  readonly buffer: number;
  readonly at: readonly Index[];
  readonly valid: readonly Condition[];
  readonly fill: number;
}

export interface MapExpr extends ExprBase {
  readonly kind: "map";
  readonly op: MapDefinition;
  readonly attrs: Attrs;
  readonly operands: readonly Expr[];
}

/** A computed value where all of `valid` hold, else `fill`. */
export interface SelectExpr extends ExprBase {
  readonly kind: "select";
  readonly value: Expr;
  readonly valid: readonly Condition[];
  readonly fill: number;
}

/** A coordinate as a number (iota). */
export interface IndexExpr extends ExprBase {
  readonly kind: "index";
  readonly index: Index;
}

export interface LiteralExpr extends ExprBase {
  readonly kind: "literal";
  readonly value: number;
}

/** Number `slot` of the kernel's uniforms. */
export interface UniformExpr extends ExprBase {
  readonly kind: "uniform";
  readonly slot: number;
}

/** What an earlier phase's accumulator ended with. */
export interface ResultExpr extends ExprBase {
  readonly kind: "result";
  readonly accumulator: number;
}

export interface Accumulator {
  readonly id: number;
  readonly op: ReduceDefinition;
  /** dtype of the result; an index-carrying accumulator also keeps the best operand, of the operand's dtype. */
  readonly dtype: DType;
  readonly value: Expr;
  /** form "index": the position in the reduced axis. */
  readonly position: Index | null;
  readonly label: string;
}

/** One nest of loops over `axes` (outer to inner), feeding all its accumulators. */
export interface Phase {
  readonly axes: readonly Axis[];
  readonly accumulators: readonly Accumulator[];
}

export interface Store {
  /** Which of the plan's buffers. */
  readonly buffer: number;
  /** The first of its render targets; there is one for each row of the tile. */
  readonly target: number;
  readonly dtype: DType;
  readonly value: Expr;
  readonly label: string;
}

export interface BufferSlot {
  /** Which of the plan's buffers. */
  readonly buffer: number;
  readonly dtype: DType;
  readonly layout: Layout;
}

/** A number a kernel reads: user numbers and optimizer settings by their place in the plan, counts by value. */
export type NumberSlot =
  | { readonly kind: "uniform"; readonly uniform: number; readonly dtype: DType }
  | { readonly kind: "count"; readonly value: number; readonly dtype: DType };

/** What the GLSL generator reads of it stands in its key (codegen/glsl/key.ts): a new part goes there, too. */
export interface Kernel {
  /** One axis per digit of the layout: rows outer to inner, then columns. */
  readonly rows: readonly Axis[];
  readonly cols: readonly Axis[];
  /** Layout of every store. */
  readonly layout: Layout;
  /** The logical index of the result, one per axis of `shape`, in terms of `rows` and `cols`. */
  readonly at: readonly Index[];
  readonly shape: Shape;
  readonly phases: readonly Phase[];
  readonly stores: readonly Store[];
  readonly loads: readonly BufferSlot[];
  readonly numbers: readonly NumberSlot[];
  /** Why this is a draw of its own. */
  readonly reason: CutReason;
}

/** Why a value is stored. A closed list; the dump prints it and tests count it. */
export const cutReasons = {
  output: "asked for",
  assigned: "the next version of a cell",
  reduction: "a reduction that several kernels, or a loop of another reduction, read",
  epilogue: "elementwise work on a reduction that is stored anyway",
  contractions: "read by two or more contractions",
  refetched: "a consumer would compute each element more than four times",
  gathered: "read at computed coordinates",
  paths: "read at too many different coordinates by one kernel",
  inputs: "the kernel would read more textures than the context has units",
  size: "the program would grow too long",
  numbers: "the kernel would take more uniforms than the context has",
} as const;
export type CutReason = keyof typeof cutReasons;
