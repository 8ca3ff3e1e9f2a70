/**
 * Snapshots: what must be put back for a training to go on as if it had never stopped. Copies on the host, because a
 * WebGL context can be lost at any time with everything on the device. Not here: files (data/checkpoint.ts), or the
 * loop that goes back to a snapshot (survive.ts).
 */
import type { DType, HostArray } from "../ir/dtype.ts";
import { TexgradError } from "../ir/errors.ts";
import type { Shape } from "../ir/shape.ts";
import { loadValues } from "./batch.ts";
import { Cell } from "./cell.ts";
import { tensor } from "./create.ts";
import { engine } from "./engine.ts";
import type { Parameter, StateTensor } from "./parameter.ts";
import { defaultGenerator, Generator } from "./random.ts";
import { Tensor } from "./tensor.ts";

/** What a snapshot can hold: modules, optimizers and others with a state dict, generators, parameters and state. */
export type Keepable = Stateful | Generator | Parameter | StateTensor;

interface Stateful {
  stateDict(): object;
  loadStateDict(dict: never): unknown;
  zeroGrad?(): void;
}

/** The state of some parts at one moment. Holds no storage on any device. */
export interface Snapshot {
  /**
   * Assigns all parts what they were: parameters, running statistics, optimizers' states, settings and counts of steps,
   * generators' draws. Gradients are forgotten. May be called any number of times, on whatever device runs then.
   */
  restore(): void;
}

/**
 * The parts as they are at the call, and the common generator; resolves when the values are on the host, and training
 * may go on meanwhile. Submits what is due. Take it between a step and the next backward: gradients are not part of it.
 * Throws ContextLostError if the context is lost before the values have arrived.
 */
export async function snapshot(parts: Iterable<Keepable>): Promise<Snapshot> {
  if (!isIterable(parts)) throw new TexgradError("snapshot: takes a list of parts, such as [net, opt]");
  const values = new Map<Tensor, Promise<HostTensor>>();
  // All is taken in this turn, before the first await.
  const restores = [...parts, defaultGenerator].map((part) => taken(part, values));
  const arrived = new Map<Tensor, HostTensor>();
  const all = [...values].map(async ([t, value]) => {
    try {
      arrived.set(t, await value);
    } finally {
      // A copy made for this, in storage of its own.
      t.dispose();
    }
  });
  const waiting = Promise.all(all);
  waiting.catch(() => {});
  // In a plan of their own: as part of the next step's, the copies might have it compute in another order.
  engine.submit();
  await waiting;
  return {
    restore: () => {
      for (const restore of restores) restore(arrived);
    },
  };
}

interface HostTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: HostArray;
}

type Restore = (values: ReadonlyMap<Tensor, HostTensor>) => void;

/** How to put a part back, with the copies it needs on their way to the host. */
function taken(part: Keepable, values: Map<Tensor, Promise<HostTensor>>): Restore {
  if (part instanceof Generator) {
    const { state } = part;
    return () => (part.state = state);
  }
  if (part instanceof Tensor) {
    if (!(part.state instanceof Cell)) {
      throw new TexgradError("snapshot: a part is no tensor that can be assigned: put it into a StateTensor");
    }
    const copy = part.detach().clone();
    values.set(copy, read(copy));
    return (arrived) => {
      part.zeroGrad();
      loadValues([[part, fromHost(arrived.get(copy)!)]]);
    };
  }
  if (typeof (part as Partial<Stateful> | null)?.stateDict !== "function") {
    throw new TexgradError(
      "snapshot: a part is no module, optimizer, generator, parameter or state: it has no stateDict()",
    );
  }
  const dict = part.stateDict();
  for (const t of tensorsIn(dict)) if (!values.has(t)) values.set(t, read(t));
  return (arrived) => {
    part.zeroGrad?.();
    part.loadStateDict(replaced(dict, arrived) as never);
  };
}

const read = async (t: Tensor): Promise<HostTensor> => ({ dtype: t.dtype, shape: t.shape, data: await t.data() });

const fromHost = ({ data, shape, dtype }: HostTensor): Tensor => tensor(data, { shape, dtype });

/** Types do not hold in JavaScript. */
export const isIterable = (x: unknown): boolean => typeof x === "object" && x !== null && Symbol.iterator in x;

const isNested = (x: unknown): x is object => typeof x === "object" && x !== null && !ArrayBuffer.isView(x);

function* tensorsIn(x: unknown): Iterable<Tensor> {
  if (x instanceof Tensor) yield x;
  else if (isNested(x)) for (const member of Object.values(x)) yield* tensorsIn(member);
}

/** A state dict with its tensors made anew from their values. */
function replaced(x: unknown, values: ReadonlyMap<Tensor, HostTensor>): unknown {
  if (x instanceof Tensor) return fromHost(values.get(x)!);
  if (Array.isArray(x)) return x.map((member) => replaced(member, values));
  if (!isNested(x)) return x;
  return Object.fromEntries(Object.entries(x).map(([name, member]) => [name, replaced(member, values)]));
}
