/**
 * Leaves: what a graph starts from. Sources (inputs, cells, carried values, user numbers) keep their own identity;
 * literals, counts and iotas are interned by value.
 */
import type { DType } from "../dtype.ts";
import { leaf, sourceLeaf, type LeafDefinition, type Node } from "../node.ts";
import type { Shape } from "../shape.ts";
import type { CarriedSource, CellSource, InputSource, UniformSource } from "../source.ts";

export const literalLeaf: LeafDefinition = {
  kind: "leaf",
  role: "literal",
  name: "literal",
  doc: "A number of a library composition, spelled in the shader.",
};
export const countLeaf: LeafDefinition = {
  kind: "leaf",
  role: "count",
  name: "count",
  doc: "A number made from extents (the divisor of a mean); a uniform in the shader.",
};
export const uniformLeaf: LeafDefinition = {
  kind: "leaf",
  role: "uniform",
  name: "uniform",
  doc: "A number of the user's, or an optimizer setting, read when the plan runs.",
};
export const iotaLeaf: LeafDefinition = { kind: "leaf", role: "iota", name: "iota", doc: "0, 1, 2, ... as i32." };
export const inputLeaf: LeafDefinition = {
  kind: "leaf",
  role: "buffer",
  name: "input",
  doc: "Values given by the host.",
};
export const cellLeaf: LeafDefinition = {
  kind: "leaf",
  role: "buffer",
  name: "cell",
  doc: "One version of a parameter or other state.",
};
export const carriedLeaf: LeafDefinition = {
  kind: "leaf",
  role: "buffer",
  name: "carried",
  doc: "A value of an earlier submit.",
};

/** A scalar literal. */
export const literal = (value: number, dtype: DType = "f32"): Node => leaf(literalLeaf, dtype, [], { value });

/** A scalar whose value follows from extents: spelled as a uniform, so that a new batch makes no new program. */
export const count = (value: number, dtype: DType = "f32"): Node => leaf(countLeaf, dtype, [], { value });

/** [n] of i32: 0 to n-1. */
export const iota = (n: number): Node => leaf(iotaLeaf, "i32", [n], noExtraAttrs);
const noExtraAttrs = Object.freeze({});

/** A scalar read at submission. */
export const uniform = (source: UniformSource, dtype: DType = "f32"): Node =>
  sourceLeaf(uniformLeaf, source, dtype, []);
export const input = (source: InputSource, dtype: DType, shape: Shape): Node =>
  sourceLeaf(inputLeaf, source, dtype, shape);
export const cell = (source: CellSource): Node => sourceLeaf(cellLeaf, source, source.cell.dtype, source.cell.shape);
export const carried = (source: CarriedSource, dtype: DType, shape: Shape): Node =>
  sourceLeaf(carriedLeaf, source, dtype, shape);
