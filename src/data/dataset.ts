/**
 * Datasets: anything with a length and samples by number, and the one kept in typed arrays.
 *
 * Not here: batches in random order (loader.ts), files (idx.ts, mnist.ts). Samples are plain values, never Tensors, so
 * that building them costs no device memory and may happen ahead of time.
 */
import { ShapeError, TexgradError } from "../ir/errors.ts";
import { type Field, tensorField } from "./fields.ts";
import { type HostTensor, isHostTensor } from "./host-tensor.ts";

/** A batch before it is given names by type: what the default collate would make of the same samples. */
export type Stacked = Readonly<Record<string, HostTensor>>;

export interface Dataset<Sample> {
  /** How many samples there are. Read at the start of each epoch. */
  readonly length: number;
  /** Sample `index`, 0 <= index < length. Called in any order, and again in later epochs. */
  get(index: number): Sample | Promise<Sample>;
  /**
   * Optional short cut of a loader without a collate of its own: these samples, stacked. Must equal what stacking
   * get(i) for each index gives, in arrays that nobody else holds.
   */
  getBatch?(indices: Uint32Array): Stacked | Promise<Stacked>;
}

/** One HostTensor a column. */
export type Columns<Name extends string> = { readonly [K in Name]: HostTensor };

/**
 * Samples in typed arrays, like torch's TensorDataset with names: column k is [n, ...s_k], sample i holds [...s_k] of
 * each. Throws ShapeError when there is no column or the columns differ in n.
 */
export class ArrayDataset<Name extends string> implements Dataset<Columns<Name>> {
  readonly length: number;
  readonly #fields: ReadonlyMap<Name, Field>;

  constructor(columns: { readonly [K in Name]: HostTensor | Field }) {
    // The keys of an object typed by Name are Names.
    const entries = Object.entries<HostTensor | Field>(columns) as [Name, HostTensor | Field][];
    this.#fields = new Map(
      entries.map(([name, column]) => [name, isHostTensor(column) ? tensorField(column) : column]),
    );
    const lengths = [...this.#fields].map(([name, field]) => `${name} has ${field.length}`);
    const [length] = [...this.#fields.values()].map((field) => field.length);
    if (length === undefined) throw new ShapeError("ArrayDataset: no column given; give at least one, e.g. { x, y }");
    if ([...this.#fields.values()].some((field) => field.length !== length)) {
      throw new ShapeError(`ArrayDataset: columns differ in their number of samples: ${lengths.join(", ")}`);
    }
    this.length = length;
  }

  /** Sample i, copied: each column's own shape without the first axis. Throws when i is not below length. */
  get(index: number): Columns<Name> {
    this.#check(index);
    return this.#map((field) => {
      const { dtype, shape, data } = field.take([index]);
      return { dtype, shape: shape.slice(1), data };
    });
  }

  /** Samples i_1..i_b, copied and stacked: each column [b, ...]. Throws when an index is not below length. */
  getBatch(indices: Uint32Array): Columns<Name> {
    for (const index of indices) this.#check(index);
    return this.#map((field) => field.take(indices));
  }

  /** Samples from start up to, not including, end, sharing the arrays. Throws when they are not in 0 <= start <= end <= length. */
  slice(start: number, end: number): ArrayDataset<Name> {
    checkSlice("ArrayDataset.slice", start, end, this.length);
    return new ArrayDataset<Name>(this.#map((field) => field.slice(start, end)));
  }

  #check(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new TexgradError(`ArrayDataset: no sample ${index}; there are ${this.length}, counted from 0`);
    }
  }

  #map<T>(of: (field: Field) => T): { readonly [K in Name]: T } {
    const entries = [...this.#fields].map(([name, field]) => [name, of(field)] as const);
    return Object.fromEntries(entries) as { [K in Name]: T }; // one entry for each Name, as in the constructor
  }
}

/** Throws TexgradError when start and end do not bound a part of `length` samples. */
export function checkSlice(op: string, start: number, end: number, length: number): void {
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start || end > length) {
    throw new TexgradError(`${op}: ${start} to ${end} is not a part of the ${length} samples there are`);
  }
}
