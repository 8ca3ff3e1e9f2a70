/**
 * An optimizer's step on flat arrays, the same bits on every machine.
 *
 * The formula is the optimizer's own update rule (optim/rules.ts), compiled for the cpu device: + - * / and sqrt, each
 * rounded to f32, which IEEE 754 fixes to the last bit; no engine may contract them. An elementwise rule is compiled
 * once for a block of values and walked over the arrays; one that reduces over its parameter, once a shape.
 */
import { cpuDevice } from "../compose.ts";
import type { Executable } from "../ir/device.ts";
import { TexgradError } from "../ir/errors.ts";
import { item, macro, type Attrs } from "../ir/node.ts";
import { input, uniform } from "../ir/ops/leaf.ts";
import type { Node } from "../ir/node.ts";
import { numel, type Shape } from "../ir/shape.ts";
import { adam, sgd } from "../optim/rules.ts";
import type { UpdateRule } from "../trace/index.ts";
import { walk } from "../trace/walk.ts";

/** Elements of a block: p, g and two states are 256 KiB, which stay in a core's cache. */
const BLOCK = 16_384;

/** A rule with its flags, compiled for arrays of one shape. */
class CompiledUpdate {
  readonly states: number;
  readonly #executable: Executable;
  /** For each leaf the executable binds, which array it is: 0 the parameter, 1 the gradient, then the states. */
  readonly #leaves: readonly number[];
  /** For each uniform it takes, which setting. */
  readonly #settings: readonly number[];
  readonly #scratch: readonly Float32Array[];

  constructor(rule: UpdateRule, flags: Attrs, settings: number, shape: Shape) {
    this.states = rule.states;
    this.#scratch = Array.from({ length: 2 + rule.states }, () => new Float32Array(numel(shape)));
    const { step, inputs, numbers } = graphOf(rule, flags, settings, this.#scratch, shape);
    const roots = Array.from({ length: 1 + rule.states }, (_, i) => item(step, i));
    const { order, leaves, uniforms } = walk(roots, null);
    this.#leaves = leaves.map((i) => inputs.indexOf(order[i]!));
    this.#settings = uniforms.map((i) => numbers.indexOf(order[i]!));
    this.#executable = cpuDevice().compile({
      order,
      leaves: leaves.map((i) => ({ node: order[i]!, layout: null })),
      uniforms: uniforms.map((i) => order[i]!),
      roots: roots.map((node) => ({ node, assigns: null })),
    });
  }

  /** Elements [from, to) of every array, in place, one block after the other. */
  run(arrays: readonly Float32Array[], settings: readonly number[], from: number, to: number): void {
    const uniforms = this.#settings.map((i) => settings[i]!);
    const block = this.#scratch[0]!.length;
    for (let at = from; at < to; at += block) {
      const end = Math.min(at + block, to);
      arrays.forEach((array, i) => this.#scratch[i]!.set(array.subarray(at, end)));
      const results = this.#executable.run({
        leaves: this.#leaves.map((i) => this.#scratch[i]!),
        uniforms,
        outputs: this.#scratch.slice(1).map(() => null),
      });
      results.forEach((result, i) => {
        const values = result.readSync() as Float32Array; // every output has the parameter's dtype
        arrays[i === 0 ? 0 : i + 1]!.set(values.subarray(0, end - at), at);
        result.release();
      });
    }
  }
}

/** One step of a rule on inputs that stand for the arrays. */
function graphOf(
  rule: UpdateRule,
  flags: Attrs,
  settings: number,
  arrays: readonly Float32Array[],
  shape: Shape,
): { readonly step: Node; readonly inputs: readonly Node[]; readonly numbers: readonly Node[] } {
  const inputs = arrays.map((array) => input({ kind: "input", array }, "f32", shape));
  const numbers = Array.from({ length: settings }, () => uniform({ kind: "uniform", read: () => 0 }));
  return { step: macro(rule.macro, [...inputs, ...numbers], flags), inputs, numbers };
}

/** Whether each value of the step depends on the values at its own place alone. */
function isElementwise(rule: UpdateRule, flags: Attrs, settings: number): boolean {
  const arrays = Array.from({ length: 2 + rule.states }, () => new Float32Array(4));
  const { step } = graphOf(rule, flags, settings, arrays, [2, 2]);
  const results = rule.macro.expand(step.inputs, flags);
  return walk([...results], null).order.every(
    ({ op }) => op.kind === "leaf" || op.kind === "map" || op.kind === "view",
  );
}

/** SGD's and Adam's rules, which the server knows too; others become known where an optimizer brings them. */
const rules = new Map<string, UpdateRule>();

function knownRules(): Map<string, UpdateRule> {
  if (rules.size > 0) return rules;
  const any = { lr: 0, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, betas: [0, 0] as const, eps: 0 };
  const all = [sgd.rule(any), sgd.rule({ ...any, momentum: 1 }), adam.rule(any), adam.rule({ ...any, amsgrad: true })];
  for (const rule of all) rules.set(rule.macro.name, rule);
  return rules;
}

/** Makes a rule known by its name. Throws TexgradError where another one has it. */
export function knowRule(rule: UpdateRule): void {
  const { name } = rule.macro;
  const known = knownRules().get(name);
  if (known !== undefined && known !== rule) {
    throw new TexgradError(`DistributedDataParallel: two update rules are named ${name}; rename one`);
  }
  knownRules().set(name, rule);
}

export const knowsRule = (name: string): boolean => knownRules().has(name);

interface Walker {
  /** The step of a parameter of this shape at [from, to) of the arrays. */
  readonly of: (shape: Shape) => CompiledUpdate;
  readonly states: number;
  /** Whether neighbours can be updated as if they were one parameter. */
  readonly isElementwise: boolean;
}

const walkers = new Map<string, Walker>();

/** Rules with different flags that one process meets; more are nobody's optimizer. */
const MAX_WALKERS = 64;

/**
 * The step of a rule with these flags and so many settings. Throws TexgradError where the rule is not known here, or
 * takes no such settings.
 */
export function compiledUpdate(name: string, flags: Attrs, settings: number): Walker {
  const key = `${name} ${settings} ${JSON.stringify(flags, Object.keys(flags).sort())}`;
  let walker = walkers.get(key);
  if (walker === undefined) {
    const rule = knownRules().get(name);
    if (rule === undefined) throw new TexgradError(`update: there is no rule "${name}" here`);
    if (settings > rule.settings || walkers.size >= MAX_WALKERS) {
      throw new TexgradError(
        `update: ${name} takes no ${settings} settings with ${JSON.stringify(flags).slice(0, 200)}`,
      );
    }
    const elementwise = isElementwise(rule, flags, settings);
    const compiled = new Map<string, CompiledUpdate>();
    const of = (shape: Shape): CompiledUpdate => {
      const wanted = elementwise ? [BLOCK] : shape;
      let update = compiled.get(wanted.join());
      if (update === undefined)
        compiled.set(wanted.join(), (update = new CompiledUpdate(rule, flags, settings, wanted)));
      return update;
    };
    walker = { of, states: rule.states, isElementwise: elementwise };
    walkers.set(key, walker);
  }
  return walker;
}

/** Why these settings cannot be carried out here, though the rule is known; null if they can. */
export function settingsFault(name: string, flags: Attrs, settings: number): string | null {
  if (!knowsRule(name)) return null;
  try {
    compiledUpdate(name, flags, settings).of([1]);
    return null;
  } catch (error) {
    // Rules read settings by position: one too few makes them fail in ways of their own.
    return `update: ${name} with ${settings} settings: ${error instanceof Error ? error.message : String(error)}`;
  }
}
