/**
 * DistributedDataParallel: a model whose steps are those of all workers together.
 *
 * A step contributes the sum of this worker's gradients over its samples, waits for the commit, and takes over the new
 * parameters, which every worker computes from the same sums with the optimizer's own rule on the host (update.ts):
 * bit for bit the same, whatever computed the gradients. Optimizer state lives there too; the optimizer given to
 * step() says the rule and its settings.
 * With `localSteps`, the optimizer trains on this worker's own device and every so many steps what it moved is the
 * gradient of an outer step (Douillard et al., "DiLoCo", 2023).
 */
import { GradError, TexgradError } from "../ir/errors.ts";
import { numel } from "../ir/shape.ts";
import { Module } from "../nn/index.ts";
import type { Optimizer } from "../optim/index.ts";
import { loadValues, noGrad, realize, tensor, type Parameter, type StateTensor, type Tensor } from "../trace/index.ts";
import { toRanges } from "./layout.ts";
import { defaultGroup, type ProcessGroup, type Trained } from "./group.ts";
import type { DataPlan, ModelInfo, TensorInfo, UpdateGroup, UpdateSpec } from "./messages.ts";
import type { Outcome, Work } from "./participant.ts";
import { knowRule } from "./update.ts";
import type { CodecName } from "./wire.ts";

/** The outer step of local training: SGD with Nesterov's momentum on what the workers moved. */
export interface OuterOptions {
  readonly lr?: number;
  readonly momentum?: number;
}

export interface ParallelOptions {
  readonly group?: ProcessGroup;
  /** How gradients travel: f32 exactly, others with error feedback. The same on all workers. Default "f32". */
  readonly codec?: CodecName;
  /** Batches whose gradients make one step: all but the last in noSync(). Default 1. */
  readonly accumulate?: number;
  /** Steps of this worker's own between two steps of all; 0: every step is one of all. Default 0. */
  readonly localSteps?: number;
  /** The step of all after local ones. Default lr 0.7, momentum 0.9, as DiLoCo. */
  readonly outer?: OuterOptions;
  /** Whether a parameter without a gradient contributes zeros, instead of being an error. Default false. */
  readonly findUnusedParameters?: boolean;
}

type Callable = Module & { forward(...args: never[]): unknown };
type Saved = Parameter | StateTensor;

export class DistributedDataParallel<M extends Callable> extends Module implements Trained {
  readonly module: M;
  readonly #group: ProcessGroup;
  readonly #options: Required<Omit<ParallelOptions, "group" | "outer">> & { readonly outer: Required<OuterOptions> };
  /** In the arena's order: the last layer's first. */
  readonly #params: readonly (readonly [string, Parameter])[];
  readonly #buffers: readonly (readonly [string, StateTensor])[];
  readonly #fixed: readonly (readonly [string, Parameter])[];
  #begun: Promise<void> | null = null;
  #published = "";
  /** What noSync() has gathered: gradients times samples, and the samples. */
  #gathered: { readonly work: Work | null; readonly sums: Float32Array; samples: number } | null = null;
  /** The lease that is being trained on locally, and on how many of its samples that was done. */
  #local: { readonly work: Work; samples: number } | null = null;

  /** The server's run, or the first worker's values, replace the model's before the first batch. */
  constructor(module: M, options: ParallelOptions = {}) {
    super();
    const { codec = "f32", accumulate = 1, localSteps = 0, findUnusedParameters = false, outer = {} } = options;
    this.module = module;
    this.#group = options.group ?? defaultGroup("DistributedDataParallel");
    if (this.#group.trained !== null)
      throw new TexgradError("DistributedDataParallel: the group trains a model already");
    if (!Number.isInteger(accumulate) || accumulate < 1 || !Number.isInteger(localSteps) || localSteps < 0) {
      throw new TexgradError(
        `DistributedDataParallel: accumulate ${accumulate}, localSteps ${localSteps}: must be counts`,
      );
    }
    if (accumulate > 1 && localSteps > 0) {
      throw new TexgradError("DistributedDataParallel: accumulate and localSteps exclude each other");
    }
    const { lr = 0.7, momentum = 0.9 } = outer;
    this.#options = { codec, accumulate, localSteps, findUnusedParameters, outer: { lr, momentum } };
    const params = [...module.namedParameters()];
    this.#params = params.filter(([, p]) => p.requiresGrad).reverse();
    this.#fixed = params.filter(([, p]) => !p.requiresGrad);
    this.#buffers = [...module.namedBuffers()];
    if (this.#params.length === 0) throw new TexgradError("DistributedDataParallel: the model has nothing to train");
    this.#group.trained = this;
  }

  forward(...args: Parameters<M["forward"]>): ReturnType<M["forward"]> {
    return this.module.forward(...args) as ReturnType<M["forward"]>; // what Parameters and ReturnType say of it
  }

  get batchesPerStep(): number {
    return Math.max(this.#options.accumulate, this.#options.localSteps, 1);
  }

  /** @internal */
  begin(data: DataPlan | null, batch: number): Promise<void> {
    return (this.#begun ??= this.#begin(data, batch));
  }

  async #begin(data: DataPlan | null, batch: number): Promise<void> {
    const info = (named: readonly (readonly [string, Saved])[]): TensorInfo[] =>
      named.map(([name, { shape }]) => ({ name, shape: [...shape] }));
    const model: ModelInfo = { params: info(this.#params), buffers: info(this.#buffers), fixed: info(this.#fixed) };
    const trained = await readAll(this.#params.map(([, p]) => p));
    const rest = await readAll([...this.#buffers, ...this.#fixed].map(([, t]) => t));
    this.#group.participant.register({ model, data, codec: this.#options.codec }, batch, {
      step: 0,
      arrays: [trained, rest],
    });
  }

  /**
   * For those who bring their own samples: takes over the run's state. Afterwards each worker makes steps of whatever
   * it likes, and says of how many samples.
   */
  async ready(): Promise<void> {
    await this.begin(null, 1);
    const work = await this.#group.participant.next();
    this.publish();
    if (work !== null) this.#group.fed = { work, samples: 0, isLast: true };
  }

  /**
   * One step of all workers, with the gradients there are. Settles when it is committed: then the parameters are the
   * new ones. Where the step went on without this worker (it was late, or lost its connection) they are those of the
   * run all the same, and the samples are trained on by somebody. `loss` is only told.
   * `samples`: of this batch, where no DistributedSampler says it; gradients are means over them.
   */
  async step(
    optimizer: Optimizer,
    loss: Tensor | null = null,
    { samples }: { readonly samples?: number } = {},
  ): Promise<Outcome> {
    const { fed } = this.#group;
    if (fed === null) {
      throw new TexgradError(
        "DistributedDataParallel.step: no samples were leased; loop over a DataLoader with a DistributedSampler, " +
          "or await net.ready() first and give { samples }",
      );
    }
    const { work } = fed;
    const count = samples ?? fed.samples;
    if (!Number.isInteger(count) || count < 1) {
      throw new TexgradError(`DistributedDataParallel.step: of ${count} samples; give { samples }, 1 or more`);
    }
    if (this.#options.localSteps > 0) return this.#localStep(optimizer, loss, count, fed.isLast, work);
    if (!fed.isLast) {
      await this.#gather(count);
      return { step: work.step, counted: true, loss: null, samples: count, workers: 1 };
    }
    const update = this.#updateOf(optimizer);
    await this.#gather(count, loss);
    const { sums, samples: total } = this.#gathered!;
    this.#gathered = null;
    this.#group.fed = null;
    return this.#finish(work, sums, total, loss === null ? null : await loss.item(), update);
  }

  async #finish(
    work: Work,
    values: Float32Array,
    samples: number,
    loss: number | null,
    update: UpdateSpec,
  ): Promise<Outcome> {
    const { participant } = this.#group;
    const isTold = loss !== null && Number.isFinite(loss);
    const outcome = await participant.contribute(work, { values, samples, loss: isTold ? loss : null, update });
    if (work.lease === null) {
      const next = await participant.next();
      if (next !== null) this.#group.fed = { work: next, samples: 0, isLast: true };
    }
    this.publish();
    return outcome;
  }

  /**
   * Gathers the gradients of `f`, which calls backward(), for the next step, without making one: for who brings his own
   * samples. With a sampler, `accumulate` does this by itself.
   */
  async noSync(f: () => void, { samples }: { readonly samples?: number } = {}): Promise<void> {
    const count = samples ?? this.#group.fed?.samples ?? 0;
    f();
    await this.#gather(count);
    this.zeroGrad();
  }

  /** Adds this batch's gradients to those gathered for the step. */
  async #gather(samples: number, loss: Tensor | null = null): Promise<void> {
    const work = this.#group.fed?.work ?? null;
    const values = await this.#contribution(samples, loss);
    // What was gathered for a step that went on without this worker is nobody's any more.
    if (this.#gathered?.work !== work) this.#gathered = { work, sums: values, samples };
    else {
      const { sums } = this.#gathered;
      for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + values[i]!;
      this.#gathered.samples += samples;
    }
  }

  /** Follows the others until they are done: for a worker whose own samples have run out before theirs. */
  async join(): Promise<void> {
    const { participant } = this.#group;
    participant.pass();
    await participant.finished();
    this.publish();
  }

  /** The gradients times `samples`, and the buffers times `samples`, in the arena's order: [layout.size]. */
  async #contribution(samples: number, loss: Tensor | null): Promise<Float32Array> {
    const { layout } = this.#group.participant;
    const out = new Float32Array(layout.size);
    const grads = this.#params.map(([name, p]) => {
      const g = p.grad;
      if (g === null && !this.#options.findUnusedParameters) {
        throw new GradError(
          `DistributedDataParallel.step: ${name} has no gradient; call backward() first, freeze it with ` +
            "requiresGrad_(false) before it is wrapped, or give { findUnusedParameters: true }",
        );
      }
      return g;
    });
    const buffers = this.#buffers.map(([, b]) => b);
    const there = grads.filter((g) => g !== null);
    realize(...there, ...buffers, ...(loss === null ? [] : [loss]));
    let at = 0;
    const put = (values: ArrayLike<number>): void => {
      for (let i = 0; i < values.length; i++) out[at + i] = values[i]! * samples;
      at += values.length;
    };
    // Asked for all at once: the first ones travel while the device computes the others.
    const read = grads.map((g) => g?.data() ?? null);
    for (const [i, values] of read.entries()) {
      if (values === null) at += numel(this.#params[i]![1].shape);
      else put(await values);
    }
    for (const b of buffers) put(await b.data());
    return out;
  }

  /** What the optimizer's next step is, in the arena's numbers. */
  #updateOf(optimizer: Optimizer): UpdateSpec {
    const places = new Map<Tensor, number>(this.#params.map(([, p], i) => [p, i]));
    const groups = new Map<string, { readonly head: Omit<UpdateGroup, "params">; readonly places: number[] }>();
    for (const { param, rule, flags, settings, initial } of optimizer.plan(this.#group.participant.step)) {
      const place = places.get(param);
      if (place === undefined) continue;
      knowRule(rule);
      const head = { rule: rule.macro.name, flags: flags as UpdateGroup["flags"], settings, initial };
      const key = JSON.stringify(head);
      const same = groups.get(key) ?? { head, places: [] };
      same.places.push(place);
      groups.set(key, same);
    }
    return [...groups.values()].map(({ head, places: of }) => ({ ...head, params: toRanges(of) }));
  }

  // Local training.

  async #localStep(
    optimizer: Optimizer,
    loss: Tensor | null,
    samples: number,
    isLast: boolean,
    work: Work,
  ): Promise<Outcome> {
    optimizer.step();
    const { participant } = this.#group;
    if (this.#local?.work !== work) this.#local = { work, samples: 0 };
    this.#local.samples += samples;
    if (!isLast) return { step: work.step, counted: true, loss: null, samples, workers: 1 };
    this.#group.fed = null;
    const told = loss === null ? null : await loss.item();
    const total = this.#local.samples;
    this.#local = null;
    const now = await readAll(this.#params.map(([, p]) => p));
    const buffers = await readAll(this.#buffers.map(([, b]) => b));
    const values = new Float32Array(participant.layout.size);
    const { params } = participant.replica;
    for (let i = 0; i < now.length; i++) values[i] = Math.fround(params[i]! - now[i]!) * total;
    for (let i = 0; i < buffers.length; i++) values[now.length + i] = buffers[i]! * total;
    const { lr, momentum } = this.#options.outer;
    const update: UpdateSpec = [
      {
        rule: "momentumStep",
        flags: { nesterov: true, decay: false },
        settings: [lr, momentum, 1],
        initial: [0],
        params: [[0, this.#params.length]],
      },
    ];
    return this.#finish(work, values, total, told, update);
  }

  // The run's state.

  /** @internal Has the model hold the replica's values, if it does not. */
  publish(): void {
    const { participant } = this.#group;
    const version = `${participant.generation} ${participant.step}`;
    if (version === this.#published) return;
    this.#published = version;
    const pairs: (readonly [Saved, Tensor])[] = [];
    const { params, rest } = participant.replica;
    const take = (named: readonly (readonly [string, Saved])[], values: Float32Array): Float32Array => {
      let at = 0;
      for (const [, part] of named) {
        const own = values.subarray(at, (at += numel(part.shape)));
        // Counts of batches are means of whole numbers here.
        pairs.push([
          part,
          tensor(part.dtype === "f32" ? own : Int32Array.from(own, Math.round), { shape: part.shape }),
        ]);
      }
      return values.subarray(at);
    };
    take(this.#params, params);
    take(this.#fixed, take(this.#buffers, rest));
    noGrad(() => loadValues(pairs));
  }
}

/** Several tensors' values end to end, as f32. */
async function readAll(tensors: readonly Tensor[]): Promise<Float32Array> {
  const all = await Promise.all(tensors.map((t) => t.data()));
  const out = new Float32Array(all.reduce((n, a) => n + a.length, 0));
  let at = 0;
  for (const values of all) {
    out.set(values, at);
    at += values.length;
  }
  return out;
}
