/**
 * What leaves stand for: numbers, host inputs, cells and carried values. Identity only; who stores them is the
 * device's business, when they change is the trace's.
 *
 * A source is never part of a structural hash, a plan key or printed IR: two runs of one program have different
 * sources and the same plan.
 */
import type { DType, HostArray } from "./dtype.ts";
import type { Shape } from "./shape.ts";

/** A number read at submission. `read` is a constant for a user's number, a getter for optimizer settings. */
export interface UniformSource {
  readonly kind: "uniform";
  readonly read: () => number;
}

/** A value the host gave, copied when given. `array` is row-major and never written again. */
export interface InputSource {
  readonly kind: "input";
  readonly array: HostArray;
}

/** One version of a cell (a parameter, optimizer state, a running statistic). The trace owns what `cell` is. */
export interface CellSource {
  readonly kind: "cell";
  readonly cell: CellIdentity;
  readonly version: number;
}

export interface CellIdentity {
  readonly id: number;
  readonly label: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** A value of an earlier submit that a later trace uses. The trace owns what `value` is. */
export interface CarriedSource {
  readonly kind: "carried";
  readonly value: object;
}

export type Source = UniformSource | InputSource | CellSource | CarriedSource;
