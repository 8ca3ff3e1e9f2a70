/**
 * Cells: values that change between submits (parameters, optimizer state, running statistics), and their versions.
 *
 * A cell's published versions are numbered; the current and the one before it have storage, older ones have none. An
 * assignment is pending until a submit has run, then published. Expressions hold (cell, version) leaves, so a version's
 * successor never changes what was traced before it.
 */
import type { DeviceBuffer } from "../ir/device.ts";
import type { DType, HostArray } from "../ir/dtype.ts";
import { ContextLostError, DisposedError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { cell as cellLeaf } from "../ir/ops/leaf.ts";
import type { Shape } from "../ir/shape.ts";
import type { CellIdentity, CellSource } from "../ir/source.ts";
import { goneError, lossOf, salvage, type Gone } from "./gone.ts";
import type { Handle } from "./handle.ts";
import { callerLine } from "./lines.ts";

let nextId = 1;

/** Storage of one version: on the device or on the host; null while it is an expression (the first version) or lost. */
export type Content = DeviceBuffer | HostArray | null;

export const isHost = (c: Content): c is HostArray => ArrayBuffer.isView(c);

interface Storage {
  current: Content;
  previous: Content;
  /** A third buffer, where a plan reads the previous version while the next one is written. */
  spare: DeviceBuffer | null;
}

function free(storage: Storage): void {
  for (const c of [storage.current, storage.previous, storage.spare]) if (c !== null && !isHost(c)) c.release();
  storage.current = storage.previous = storage.spare = null;
}

/** All cells that may have storage on a device. */
const cells = new Set<WeakRef<Cell>>();

/** Frees what was never disposed of. When it runs is anyone's guess; nothing depends on it. */
const unreachable = new FinalizationRegistry<{ readonly storage: Storage; readonly ref: WeakRef<Cell> }>(
  ({ storage, ref }) => {
    free(storage);
    cells.delete(ref);
  },
);

/** Every cell that may have storage. */
export const liveCells = (): Cell[] => Array.from(cells, (ref) => ref.deref()).filter((c) => c !== undefined);

/** Brings every cell to the host, so that another device can take over. */
export function unloadCells(): void {
  for (const c of liveCells()) c.unload();
}

export class Cell implements CellIdentity {
  readonly id = nextId++;
  label: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** The published version. */
  version = 0;
  /** What the first version is computed from, until it has been. */
  initial: Node | null;
  readonly storage: Storage;
  /** The layout every version has; null until a plan has written the cell. */
  layout: string | null = null;
  /** The next version, once assigned. */
  pending: Node | null = null;
  /** Line that assigned the current version, where lines are captured. */
  line = "";
  pendingLine = "";
  /** Line that made the cell, where lines are captured. */
  readonly made = callerLine();
  /** Whether gradients ever flowed here: then a frozen use is cut by `detach`. */
  differentiable = false;
  /** The tensor that accumulates its gradient. */
  owner: Handle | null = null;
  disposed = false;
  #leaf: Node | null = null;

  constructor(label: string, dtype: DType, shape: Shape, initial: Node | HostArray) {
    this.label = label === "" ? `cell ${this.id}` : label;
    this.dtype = dtype;
    this.shape = shape;
    const onHost = ArrayBuffer.isView(initial);
    this.storage = { current: onHost ? initial : null, previous: null, spare: null };
    this.initial = onHost ? null : initial;
    const ref = new WeakRef(this);
    cells.add(ref);
    unreachable.register(this, { storage: this.storage, ref }, this);
  }

  /** The leaf of the published version. */
  get leaf(): Node {
    const source: CellSource = { kind: "cell", cell: this, version: this.version };
    return (this.#leaf ??= cellLeaf(source));
  }

  /** What the handle means now: the assigned expression, else the published version. */
  get expression(): Node {
    this.checkAlive();
    return this.pending ?? this.leaf;
  }

  /** Whether nothing has read the first version: an assigned host value can take its place. */
  get isUntouched(): boolean {
    return this.version === 0 && this.#leaf === null && this.pending === null;
  }

  /** Whether `n` is what the handle means already. */
  means(n: Node): boolean {
    return n === (this.pending ?? this.#leaf);
  }

  /** Takes another first version. */
  begin(array: HostArray): void {
    this.storage.current = array;
    this.initial = null;
  }

  assign(value: Node): void {
    this.checkAlive();
    this.pending = value;
    this.pendingLine = callerLine();
  }

  /** Makes the assigned value, now stored in `content`, the current version. Gives the storage nobody needs now. */
  publish(content: DeviceBuffer | HostArray): DeviceBuffer | null {
    const { storage } = this;
    const oldest = storage.previous;
    storage.previous = storage.current;
    storage.current = content;
    if (lossOf(storage.spare) !== null) storage.spare = null;
    this.version += 1;
    this.initial = null;
    this.pending = null;
    this.line = this.pendingLine;
    this.#leaf = null;
    return oldest === null || isHost(oldest) || oldest === content ? null : oldest;
  }

  /** Brings the storage to the host. What a lost context took stays lost. */
  unload(): void {
    const { storage } = this;
    for (const key of ["current", "previous"] as const) {
      const at = storage[key];
      const values = at === null || isHost(at) ? null : salvage(at);
      if (values === null) continue;
      (at as DeviceBuffer).release();
      storage[key] = values;
    }
    storage.spare?.release();
    storage.spare = null;
    this.layout = null;
  }

  /** Storage of a version; throws StaleTensorError or ContextLostError where it has none any more. */
  at(version: number): Content {
    this.checkAlive();
    if (!this.readable(version)) throw goneError(this.gone(version));
    return this.#content(version);
  }

  readable(version: number): boolean {
    if (this.disposed || lossOf(this.#content(version)) !== null) return false;
    return version === this.version || (version === this.version - 1 && this.storage.previous !== null);
  }

  #content(version: number): Content {
    const { current, previous } = this.storage;
    return version === this.version ? current : version === this.version - 1 ? previous : null;
  }

  /** Why a version that is not readable is not. */
  gone(version: number): Gone {
    if (this.disposed) return `${this.label} was disposed`;
    const loss = lossOf(this.#content(version));
    return loss === null ? this.#stale(version) : new ContextLostError(loss, this.label);
  }

  #stale(version: number): string {
    const by = this.line === "" ? "" : `, last assigned at ${this.line}`;
    return (
      `the value was computed from version ${version} of ${this.label}, which is at version ${this.version}${by}; ` +
      `only the current version and the one before it are kept. Read the value before the second step after it ` +
      `(await t.item()), or keep it with clone()`
    );
  }

  checkAlive(): void {
    if (this.disposed) throw new DisposedError(`${this.label} was disposed`);
  }

  /** Frees all storage. */
  dispose(): void {
    free(this.storage);
    unreachable.unregister(this);
    this.pending = this.initial = null;
    this.disposed = true;
  }
}
