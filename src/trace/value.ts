/**
 * What a tensor that is not a cell stands for: an expression, and where its value can be found once it was computed.
 */
import type { DeviceBuffer } from "../ir/device.ts";
import type { DType, HostArray } from "../ir/dtype.ts";
import { ContextLostError, DisposedError, TexgradError } from "../ir/errors.ts";
import type { Node } from "../ir/node.ts";
import { carried } from "../ir/ops/leaf.ts";
import type { Shape } from "../ir/shape.ts";
import type { Source } from "../ir/source.ts";
import type { Cell } from "./cell.ts";
import { goneError, lossOf, salvage, type Gone } from "./gone.ts";
import type { Run } from "./plan.ts";

/** Values with storage of their own, oldest first. */
const owners = new Set<WeakRef<Value>>();

/** Frees snapshots that were never disposed of. When it runs is anyone's guess; nothing depends on it. */
const unreachable = new FinalizationRegistry<{ readonly buffer: DeviceBuffer; readonly ref: WeakRef<Value> }>(
  ({ buffer, ref }) => {
    buffer.release();
    owners.delete(ref);
  },
);

/** All values with storage of their own, oldest first. */
export function snapshots(): Value[] {
  return Array.from(owners, (ref) => ref.deref()).filter((v) => v !== undefined);
}

export class Value {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly requiresGrad: boolean;
  #node: Node | null;
  /** Makes the expression when somebody asks for it: what a replay computed was not traced. */
  #make: (() => Node) | null = null;
  /** Row-major values, once they were read or where the host gave them. Never written again. */
  host: HostArray | null = null;
  /** Storage of its own (clone, stateDict). */
  own: DeviceBuffer | null = null;
  /** Whether `own` is wanted and not there yet. */
  snapshot = false;
  /** The submit that computed it, and its number in that walk. */
  run: Run | null = null;
  number = -1;
  /** Whether the expression reads a value of an earlier submit. */
  carries = false;
  /** A read under way. */
  reading: Promise<HostArray> | null = null;
  /** How many submits there had been when it was traced, and how many that assigned cells. */
  bornSubmit = 0;
  bornStep = 0;
  /** Steps after which, if it still waits, it is looked at for what it depends on. */
  nextLook = 2;
  /** Whether another traced expression uses it. */
  used = false;
  /** Line that traced it, where lines are captured. */
  line = "";
  /** Whether it was traced inside a compiled function and not given back: later calls do not make it again. */
  isEnclosed = false;
  /** Why `node` is gone, if it is and `host` is not there. */
  #lost: Gone = "";
  disposed = false;
  #ref: WeakRef<Value> | null = null;
  #leaf: Node | null = null;
  #constant: Node | null = null;

  constructor(node: Node, requiresGrad: boolean) {
    this.#node = node;
    this.dtype = node.dtype;
    this.shape = node.shape;
    this.requiresGrad = requiresGrad;
  }

  /** The expression as traced; null once what it reads is gone or the host has the value. */
  get node(): Node | null {
    const make = this.#make;
    this.#make = null;
    return make === null ? this.#node : (this.#node = make());
  }
  set node(node: Node | null) {
    this.#node = node;
    this.#make = null;
  }

  /** Has the expression made only when it is asked for, and until then be `like` in dtype and shape alone. */
  defer(make: () => Node): void {
    this.#node = null;
    this.#make = make;
  }

  get isDeferred(): boolean {
    return this.#make !== null;
  }

  /** What it stands for, if it is a leaf. */
  get source(): Source | undefined {
    return this.#node?.source;
  }

  /**
   * The leaf that stands for this value in later traces, so that their graphs do not grow with history. Two of them:
   * gradients go on from `leaf` into the expression it was computed by, and stop at `constant`.
   */
  get leaf(): Node {
    return (this.#leaf ??= carried({ kind: "carried", value: this }, this.dtype, this.shape));
  }
  get constant(): Node {
    if (!this.requiresGrad) return this.leaf;
    return (this.#constant ??= carried({ kind: "carried", value: this }, this.dtype, this.shape));
  }

  /** Whether `leaf` is the one through which gradients go on. */
  isTracked(leaf: Node): boolean {
    return this.requiresGrad && leaf === this.#leaf;
  }

  /** The expression, or StaleTensorError. */
  expression(): Node {
    this.checkAlive();
    if (this.node === null) throw goneError(this.gone);
    return this.node;
  }

  /** Where the value is now, on the device before the host; null where it would have to be computed. */
  stored(): DeviceBuffer | HostArray | null {
    this.checkAlive();
    if (this.own !== null && this.own.loss === null) return this.own;
    const result = this.run?.root(this.number) ?? null;
    if (result !== null) return result;
    if (this.host !== null) return this.host;
    const { source } = this;
    if (source?.kind === "input") return source.array;
    if (source?.kind === "carried") return (source.value as Value).stored();
    if (source?.kind !== "cell") return null;
    const cell = source.cell as Cell;
    return cell.readable(source.version) ? cell.at(source.version) : null;
  }

  /** Why it cannot be had, where it cannot. */
  get gone(): Gone {
    const loss = lossOf(this.own);
    return loss === null ? this.#lost : new ContextLostError(loss, this.line === "" ? "" : `tensor of ${this.line}`);
  }

  /** Whether it was computed: later traces then read it through a leaf. */
  get isComputed(): boolean {
    return this.run !== null || this.own !== null;
  }

  /** Keeps a value that was read. What only its expression kept alive goes, unless a gradient may need it. */
  keep(array: HostArray): void {
    this.host = array;
    if (!this.requiresGrad && this.run !== null) this.node = null;
  }

  /** Takes a buffer as its own. */
  take(buffer: DeviceBuffer): void {
    this.own = buffer;
    this.snapshot = false;
    this.#ref = new WeakRef(this);
    owners.add(this.#ref);
    unreachable.register(this, { buffer, ref: this.#ref }, this);
  }

  /** Brings its own storage to the host. What a lost context took stays lost. */
  unload(): void {
    const values = this.own === null ? null : salvage(this.own);
    if (values === null) return;
    this.host = values;
    this.#release();
  }

  #release(): void {
    if (this.own === null) return;
    unreachable.unregister(this);
    owners.delete(this.#ref!);
    this.own.release();
    this.own = null;
  }

  /** Throws for what only a compiled function may go on with. */
  checkOutside(): void {
    if (!this.isEnclosed) return;
    throw new TexgradError(
      "compile: the tensor was made inside a compiled function, which is not traced in every call; return it from there",
    );
  }

  checkAlive(): void {
    if (this.disposed) throw new DisposedError(String(this.#lost));
  }

  dispose(where: string): void {
    this.#release();
    this.host = this.node = this.run = null;
    this.snapshot = false;
    this.disposed = true;
    this.#lost = `the tensor was disposed${where === "" ? "" : ` at ${where}`}`;
  }

  /** Drops the expression, and with it everything only it kept alive. */
  forget(why: Gone): void {
    this.node = null;
    if (this.#lost === "") this.#lost = why;
  }
}
