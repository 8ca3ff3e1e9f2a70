/**
 * What may be wrong in one definition or one law, one thing at a time. A fault changes the object the passes, the
 * evaluator and the code generators read, and puts it back; no file is touched.
 *
 * A fault is worth something only where no test could call it right: what an equivalent change would be (a derivative
 * rule that does not depend on its operands, detached) is not planted. Flags that only say what is cheap (`trivial`)
 * are no claims and have no faults.
 */
import { gradientMacro } from "../../src/autodiff/gradient.ts";
import { gradients } from "../../src/autodiff/vjp.ts";
import type { DType } from "../../src/ir/dtype.ts";
import { hostArray } from "../../src/ir/dtype.ts";
import {
  noAttrs,
  type Attrs,
  type AttrValue,
  type Definition,
  type GatherDefinition,
  type GlslFunction,
  type GlslType,
  type MacroDefinition,
  type MapDefinition,
  type Node,
  type ReduceDefinition,
  type ViewDefinition,
} from "../../src/ir/node.ts";
import { map, reduce } from "../../src/ir/node.ts";
import * as o from "../../src/ir/ops/index.ts";
import type { Shape } from "../../src/ir/shape.ts";
import type { Rule } from "../../src/passes/rewrite.ts";

export interface Fault {
  /** The op's name or the law. */
  readonly of: string;
  /** The property that is wrong; a column of the table. */
  readonly facet: string;
  /** How it is wrong. */
  readonly how: string;
  /** Whether plans made under it are kept and found again: it needs a process of its own. */
  readonly lasting?: boolean;
  /** Plants it; the result takes it out. */
  readonly plant: () => () => void;
}

export const nameOf = (f: Fault): string => `${f.of} | ${f.facet} | ${f.how}`;

/** Puts `value` in the place of a property. The one place where a definition is written. */
function replace<T extends object, K extends keyof T>(target: T, key: K, value: (old: T[K]) => T[K]): () => () => void {
  return () => {
    const old = target[key];
    target[key] = value(old);
    return () => {
      target[key] = old;
    };
  };
}

/** A number that is wrong by what a device's rounding never is. */
const off = (t: DType, v: number): number => (t === "f32" ? v * 1.001 + 0.001 : t === "bool" ? 1 - v : v + 1);
const offJs = (t: DType, text: string): string =>
  t === "f32" ? `((${text}) * 1.001 + 0.001)` : t === "bool" ? `(1 - (${text}))` : `((${text}) + 1)`;
const offGlsl = (t: DType, text: string): string => {
  if (t === "f32") return `((${text}) * 1.001 + 0.001)`;
  if (t === "bool") return `(1.0 - (${text}))`;
  return t === "i32" ? `((${text}) + 1)` : `((${text}) + 1u)`;
};

const leaf = (shape: Shape, dtype: DType = "f32"): Node => {
  const array = hostArray(
    dtype,
    shape.reduce((a, b) => a * b, 1),
  );
  for (let i = 0; i < array.length; i++) array[i] = i + 1;
  return o.input({ kind: "input", array }, dtype, shape);
};

// Gradient rules: a function of the cotangent that may be scaled, turned round, left out, or made constant.

type Part = Node | null;
const scaled = (g: Part): Part => (g === null ? null : o.mul(g, 1.01));
const turned = (g: Part): Part => (g === null ? null : o.neg(g));

/** Whether a cotangent depends on operands, so that it has a derivative of its own. */
const depends = (part: Part, on: readonly Node[]): boolean =>
  part !== null && gradients(part, o.expand(o.literal(1), part.shape), on).some((e) => e !== null);

// Maps.

const probesOf = (d: MapDefinition): readonly (readonly DType[])[] => d.probes ?? [d.samples.map((): DType => "f32")];

/** The result's dtype where a template is used with operands of type t: the probe says which operands those are. */
function resultOf(d: MapDefinition, t: GlslType, attrs: Attrs): DType {
  const element = (e: DType): string => (e === "i32" ? "int" : e === "u32" ? "uint" : "float");
  const fitting = probesOf(d).find((p) => element(p.at(-1)!) === t.element);
  return d.dtype(fitting ?? d.samples.map((): DType => "f32"), attrs);
}

function mapFaults(d: MapDefinition): Fault[] {
  const made = (facet: string, how: string, plant: Fault["plant"]): Fault => ({ of: d.name, facet, how, plant });
  const faults: Fault[] = [
    made(
      "evaluate",
      "off",
      replace(d, "evaluate", (f) => (x, attrs, t) => off(d.dtype(t, attrs), f(x, attrs, t))),
    ),
    made(
      "js",
      "off",
      replace(d, "js", (f) => (x, t, attrs) => offJs(d.dtype(t, attrs), f(x, t, attrs))),
    ),
    made(
      "glsl",
      "off",
      replace(d, "glsl", (f) => (x, t, attrs) => offGlsl(resultOf(d, t, attrs), f(x, t, attrs))),
    ),
  ];
  if (givesNaN(d))
    faults.push(
      made(
        "evaluate",
        "NaN becomes 0",
        replace(d, "evaluate", (f) => (x, attrs, t) => {
          const y = f(x, attrs, t);
          return Number.isNaN(y) ? 0 : y;
        }),
      ),
    );
  if (d.arity > 1 && d.commutative !== true) {
    const swap = <T>(x: readonly T[]): readonly T[] => [...x.slice(0, -2), x.at(-1)!, x.at(-2)!];
    faults.push(
      made(
        "evaluate",
        "operands swapped",
        replace(d, "evaluate", (f) => (x, attrs, t) => f(swap(x), attrs, t)),
      ),
      made(
        "js",
        "operands swapped",
        replace(d, "js", (f) => (x, t, attrs) => f(swap(x), t, attrs)),
      ),
      made(
        "glsl",
        "operands swapped",
        replace(d, "glsl", (f) => (x, t, attrs) => f(swap(x), t, attrs)),
      ),
    );
  }
  faults.push(...refusalFaults(d), ...mapGradientFaults(d));
  if (d.neutral !== undefined)
    faults.push(
      made(
        "neutral",
        "another number",
        replace(d, "neutral", (n) => ({ ...n, right: n!.right! + 1 })),
      ),
    );
  if (d.arity === 2)
    faults.push(
      made(
        "commutative",
        "the opposite",
        replace(d as { commutative: boolean }, "commutative", (e) => !e),
      ),
    );
  if (d.passes !== undefined && !d.passes("i32", { to: "f32" }))
    faults.push(
      made(
        "passes",
        "always",
        replace(d, "passes", () => () => true),
      ),
    );
  return faults;
}

/** Whether NaN operands give NaN, so that losing it is wrong. */
function givesNaN(d: MapDefinition): boolean {
  const dtypes = probesOf(d).find((p) => p.at(-1) === "f32");
  if (dtypes === undefined) return false;
  const nan = dtypes.map((t) => (t === "bool" ? 1 : NaN));
  return (d.probeAttrs ?? [noAttrs]).some((attrs) => Number.isNaN(d.evaluate(nan, attrs, dtypes)));
}

/** Where some dtype is refused: that it is taken. Where the result is not of the operands' dtype: that it is. */
function refusalFaults(d: MapDefinition): Fault[] {
  const dtypeFault = (how: string, rule: (old: MapDefinition["dtype"]) => MapDefinition["dtype"]): Fault => ({
    of: d.name,
    facet: "dtype",
    how,
    plant: replace(d, "dtype", rule),
  });
  const attrs = d.probeAttrs?.[0] ?? noAttrs;
  const refuses = (t: readonly DType[]): boolean => {
    try {
      d.dtype(t, attrs);
      return false;
    } catch {
      return true;
    }
  };
  const faults: Fault[] = [];
  const allOf = (t: DType): DType[] => d.samples.map(() => t);
  if (dtypesTried.some((t) => refuses(allOf(t))))
    faults.push(
      dtypeFault("takes any dtype", (f) => (t, a) => {
        try {
          return f(t, a);
        } catch {
          return f(probesOf(d)[0]!, a);
        }
      }),
    );
  faults.push(
    dtypeFault("gives another dtype", (f) => (t, a) => {
      const y = f(t, a);
      return y === "f32" ? "i32" : "f32";
    }),
  );
  return faults;
}
const dtypesTried: readonly DType[] = ["f32", "i32", "u32", "bool"];

function mapGradientFaults(d: MapDefinition): Fault[] {
  const { vjp } = d;
  const dtypes = probesOf(d).find((p) => p.at(-1) === "f32");
  if (vjp === null || dtypes === undefined) return [];
  const attrs = d.probeAttrs?.find((a) => d.dtype(dtypes, a) === "f32") ?? noAttrs;
  const x = dtypes.map((t) => leaf([2], t));
  const y = map(d, x, attrs);
  const g = leaf([2]);
  const parts = vjp(g, y, x, attrs);
  const constant: NonNullable<MapDefinition["vjp"]> = (h, z, e, a) =>
    vjp(
      h,
      o.detach(z),
      e.map((n) => (n.dtype === "f32" ? o.detach(n) : n)),
      a,
    );
  return parts.flatMap((part, i) => {
    if (part === null) return [];
    const fault = (how: string, change: (old: Part, again: Part) => Part): Fault => ({
      of: d.name,
      facet: "vjp",
      how: parts.length === 1 ? how : `${how}, operand ${i}`,
      plant: replace(d, "vjp", (f) => (h, z, e, a) => {
        const again = constant(h, z, e, a);
        return f!(h, z, e, a).map((p, j) => (j === i ? change(p, again[j]!) : p));
      }),
    });
    const faults = [fault("scaled", scaled), fault("sign", turned), fault("left out", () => null)];
    if (depends(part, x)) faults.push(fault("constant", (_, again) => again));
    return faults;
  });
}

// Helpers of GLSL: what the last `return` gives.

function helperFaults(all: readonly Definition[]): Fault[] {
  const owners = new Map<GlslFunction, (MapDefinition | ReduceDefinition)[]>();
  const add = (f: GlslFunction, owner: MapDefinition | ReduceDefinition): void => {
    owners.set(f, [...(owners.get(f) ?? []), owner]);
    f.needs?.forEach((e) => add(e, owner));
  };
  for (const d of all) if (d.kind === "map" || d.kind === "reduce") d.needs?.forEach((f) => add(f, d));
  return [...owners].map(([f, of]) => ({
    of: f.name,
    facet: "helper",
    how: `off (of ${of.map((d) => d.name).join(", ")})`,
    plant: replace(f, "source", (source) => (t) => {
      const text = source(t);
      const at = text.lastIndexOf("return ");
      const end = text.indexOf(";", at);
      // A mask a little off is still read as a mask.
      const masks = of.every((d) => d.kind === "map" && resultOf(d, t, noAttrs) === "bool");
      const dtype = masks ? "bool" : text.startsWith("u") ? "u32" : text.startsWith("i") ? "i32" : "f32";
      return `${text.slice(0, at + 7)}${offGlsl(dtype, text.slice(at + 7, end))}${text.slice(end)}`;
    }),
  }));
}

// Views.

/** Attributes wrong by a little: the first list turned round (or its first number changed), else the axis. */
function wrongAttrs(attrs: Attrs): Attrs {
  const wrong: Record<string, AttrValue> = { ...attrs };
  for (const [key, value] of Object.entries(attrs)) {
    if (typeof value === "object" && value.length > 0) {
      const turned = [...value].reverse();
      wrong[key] = turned.some((e, i) => e !== value[i]) ? turned : [value[0]! + 1, ...value.slice(1)];
      return wrong;
    }
  }
  wrong["axis"] = (attrs["axis"] as number) - 1;
  return wrong;
}

function viewFaults(d: ViewDefinition): Fault[] {
  const made = (facet: string, how: string, plant: Fault["plant"]): Fault => ({ of: d.name, facet, how, plant });
  const pull = (
    how: string,
    change: <I, B>(
      a: Parameters<typeof d.pull<I, B>>[0],
      read: { readonly at: readonly I[]; readonly valid: readonly B[] },
      input: Shape,
    ) => { readonly at: readonly I[]; readonly valid: readonly B[] },
  ): Fault =>
    made(
      "pull",
      how,
      replace(d, "pull", (f) => (a, out, attrs, input) => change(a, f(a, out, attrs, input), input)),
    );
  const at =
    (pick: (rank: number) => number, wrap: boolean) =>
    <I, B>(
      a: Parameters<typeof d.pull<I, B>>[0],
      read: { readonly at: readonly I[]; readonly valid: readonly B[] },
      input: Shape,
    ) => ({
      ...read,
      at: read.at.map((e, i) => {
        if (i !== pick(read.at.length)) return e;
        const next = a.add(e, a.constant(1));
        return wrap ? a.mod(next, Math.max(input[i]!, 1)) : next;
      }),
    });
  const faults: Fault[] = [
    made(
      "shape",
      "last extent + 1",
      replace(
        d,
        "shape",
        (f) => (input, attrs) => f(input, attrs).map((e, i, all) => (i === all.length - 1 ? e + 1 : e)),
      ),
    ),
    made(
      "shape",
      "axes swapped",
      replace(d, "shape", (f) => (input, attrs) => {
        const y = f(input, attrs);
        return y.length < 2 ? y : [y[1]!, y[0]!, ...y.slice(2)];
      }),
    ),
    pull(
      "last coordinate + 1",
      at((rank) => rank - 1, false),
    ),
    pull(
      "first coordinate + 1, within the extent",
      at(() => 0, true),
    ),
    pull(
      "last coordinate + 1, within the extent",
      at((rank) => rank - 1, true),
    ),
    made(
      "injective",
      "the opposite",
      replace(d, "injective", (f) => (attrs, input) => !f(attrs, input)),
    ),
    made(
      "fills",
      "the opposite",
      replace(d, "fills", (f) => (attrs, input) => !f(attrs, input)),
    ),
    made(
      "vjp",
      "scaled",
      replace(d, "vjp", (f) => (g, x, attrs) => o.mul(f(g, x, attrs), 1.01)),
    ),
    made(
      "vjp",
      "sign",
      replace(d, "vjp", (f) => (g, x, attrs) => o.neg(f(g, x, attrs))),
    ),
  ];
  if (["pad", "dilate", "window", "unwindow"].includes(d.name))
    faults.push(
      pull("a condition left out", (_, read) => ({ ...read, valid: read.valid.slice(1) })),
      pull("the last condition left out", (_, read) => ({ ...read, valid: read.valid.slice(0, -1) })),
    );
  if (d !== o.expandView)
    faults.push(
      made(
        "lift",
        "wrong attributes",
        replace(d, "lift", (f) => (attrs, extra) => wrongAttrs(f(attrs, extra))),
      ),
    );
  return faults;
}

// Reductions and gather.

function reduceFaults(d: ReduceDefinition): Fault[] {
  const made = (facet: string, how: string, plant: Fault["plant"]): Fault => ({ of: d.name, facet, how, plant });
  const index = d.form === "index";
  const shifted = (t: DType, v: number): number =>
    t === "bool" ? 1 - v : !Number.isFinite(v) ? 0 : v > 1e9 ? v - 1e9 : v + 1;
  const faults: Fault[] = [
    made(
      "identity",
      "shifted",
      replace(d, "identity", (f) => (t) => shifted(t, f(t))),
    ),
    made(
      "combine",
      "off",
      replace(
        d,
        "combine",
        (f) => (acc, x, t) => (index ? (f(acc, x, t) === 0 ? 1 : 0) : off(d.dtype(t, noAttrs), f(acc, x, t))),
      ),
    ),
    made(
      "combine",
      "forgets",
      replace(d, "combine", (f) => (acc, x, t) => (index ? f(x, acc, t) : x)),
    ),
    made(
      "js",
      "off",
      replace(d, "js", (f) => (acc, x, t) => {
        const text = f(acc, x, t);
        return index ? `!(${text})` : offJs(d.dtype(t, noAttrs), text);
      }),
    ),
    made(
      "glsl",
      "off",
      replace(d, "glsl", (f) => (acc, x, t) => {
        const text = f(acc, x, t);
        if (index) return `!(${text})`;
        return offGlsl(t.element === "int" ? "i32" : t.element === "uint" ? "u32" : isMask(d) ? "bool" : "f32", text);
      }),
    ),
    made(
      "empty",
      "the opposite",
      replace(d, "empty", (e) => !e),
    ),
    made(
      "dtype",
      "gives another dtype",
      replace(d, "dtype", (f) => (t, attrs) => (f(t, attrs) === "f32" ? "i32" : "f32")),
    ),
    made(
      "dtype",
      "takes any dtype",
      replace(d, "dtype", (f) => (t, attrs) => {
        try {
          return f(t, attrs);
        } catch {
          return t;
        }
      }),
    ),
  ];
  if (index)
    faults.push(
      made(
        "combine",
        "takes ties",
        replace(d, "combine", (f) => (acc, x, t) => (f(acc, x, t) !== 0 || acc === x ? 1 : 0)),
      ),
      made(
        "js",
        "takes ties",
        replace(d, "js", (f) => (acc, x, t) => `(${f(acc, x, t)} || ${acc} === ${x})`),
      ),
      made(
        "glsl",
        "takes ties",
        replace(d, "glsl", (f) => (acc, x, t) => `(${f(acc, x, t)} || ${acc} == ${x})`),
      ),
    );
  if (takesAll(d))
    faults.splice(
      faults.findIndex((f) => f.how === "takes any dtype"),
      1,
    );
  return [...faults, ...reduceGradientFaults(d)];
}

const isMask = (d: ReduceDefinition): boolean => d.probes?.every((t) => t === "bool") === true;
const takesAll = (d: ReduceDefinition): boolean =>
  dtypesTried.every((t) => {
    try {
      d.dtype(t, noAttrs);
      return true;
    } catch {
      return false;
    }
  });

function reduceGradientFaults(d: ReduceDefinition): Fault[] {
  const { vjp } = d;
  if (vjp === null) return [];
  const fault = (how: string, change: NonNullable<ReduceDefinition["vjp"]>): Fault => ({
    of: d.name,
    facet: "vjp",
    how,
    plant: replace(d, "vjp", () => change),
  });
  const x = leaf([2, 3]);
  const y = reduce(d, x, [1]);
  const faults = [
    fault("scaled", (...a) => scaled(vjp(...a))),
    fault("sign", (...a) => turned(vjp(...a))),
    fault("left out", () => null),
  ];
  if (depends(vjp(leaf([2]), y, x, y.attrs), [x]))
    faults.push(fault("constant", (h, z, e, a) => vjp(h, o.detach(z), o.detach(e), a)));
  return faults;
}

function gatherFaults(d: GatherDefinition): Fault[] {
  const made = (how: string, change: (g: Node) => Node): Fault => ({
    of: d.name,
    facet: "vjp",
    how,
    plant: replace(d, "vjp", (f) => (g, x, index, attrs) => change(f(g, x, index, attrs))),
  });
  return [
    made("scaled", (g) => o.mul(g, 1.01)),
    made("sign", (g) => o.neg(g)),
    made("turned", (g) => o.flip(g, [g.shape.length - 1])),
  ];
}

// Laws.

/** A graph of the same type with other values. */
function scaledNode(n: Node): Node | null {
  if (n.dtype === "f32") return o.add(o.mul(n, 1.001), 0.001);
  return n.dtype === "bool" ? o.not(n) : o.add(n, 1);
}
function flipped(n: Node): Node | null {
  const axis = n.shape.findIndex((e) => e > 1);
  return axis < 0 ? null : o.flip(n, [axis]);
}
/** Another axis order under the right shape: what a law about views gets wrong. */
function shuffled(n: Node): Node | null {
  if (n.shape.length < 2) return null;
  return o.reshape(o.permute(n, [1, 0, ...n.shape.map((_, i) => i).slice(2)]), n.shape);
}

function ruleFaults(rules: readonly Rule[]): Fault[] {
  return rules.flatMap((rule) => {
    const made = (how: string, change: (n: Node) => Node | null): Fault => {
      // A law also sees what this fault made of its result; it must not be changed for ever.
      const own = new Set<Node>();
      return {
        of: rule.law,
        facet: "result",
        how,
        plant: replace(rule as { apply: Rule["apply"] }, "apply", (f) => (n, uses) => {
          if (own.has(n)) return null;
          const y = f(n, uses);
          if (y === null || y === n) return y;
          const wrong = change(y);
          if (wrong === null) return y;
          own.add(wrong);
          return wrong;
        }),
      };
    };
    return [
      made("off", scaledNode),
      made("flipped", flipped),
      made("axes shuffled", shuffled),
      {
        of: rule.law,
        facet: "result",
        how: "never applied",
        plant: replace(rule as { apply: Rule["apply"] }, "apply", () => () => null),
      },
    ];
  });
}

function definitionFaults(d: Definition): Fault[] {
  switch (d.kind) {
    case "map":
      return mapFaults(d);
    case "view":
      return viewFaults(d);
    case "reduce":
      return reduceFaults(d);
    case "gather":
      return gatherFaults(d);
    case "leaf":
    case "macro":
    case "item":
      return [];
  }
}

// Macros: gradients and optimizer steps.

function macroFaults(d: MacroDefinition): Fault[] {
  const made = (how: string, change: (old: MacroDefinition["expand"]) => MacroDefinition["expand"]): Fault => ({
    of: d.name,
    facet: "expand",
    how,
    // A plan once made keeps what the macro was expanded to.
    lasting: true,
    plant: replace(d, "expand", change),
  });
  /** Results of an update rule: parameter and states. A gradient has as many as it has targets. */
  const isGradient = d === gradientMacro;
  const known = isGradient ? 1 : d.results(stepInputs, noAttrs).length;
  const faults = Array.from({ length: known }, (_, i) =>
    made(
      `result ${i} off`,
      (f) => (inputs, attrs) =>
        f(inputs, attrs).map((n, j) => (j === i && n.dtype === "f32" ? o.add(o.mul(n, 1.01), 0.001) : n)),
    ),
  );
  if (isGradient)
    faults.push(
      made("results turned round", (f) => (inputs, attrs) => {
        const results = f(inputs, attrs);
        const same = results.every((n) => n.shape.join() === results[0]!.shape.join());
        return same ? [...results].reverse() : results;
      }),
    );
  else
    faults.push(
      made(
        "the last two settings swapped",
        (f) => (inputs, attrs) => f([...inputs.slice(0, -2), inputs.at(-1)!, inputs.at(-2)!], attrs),
      ),
    );
  return faults;
}
/** More inputs than any update rule takes. */
const stepInputs: readonly Node[] = Array.from({ length: 12 }, () => leaf([2]));

/** Every fault there is, in an order that is the same in every process. */
export const allFaults = (rules: readonly Rule[], macros: readonly MacroDefinition[]): readonly Fault[] => [
  ...o.definitions.flatMap(definitionFaults),
  ...helperFaults(o.definitions),
  ...macros.flatMap(macroFaults),
  ...ruleFaults(rules),
];
