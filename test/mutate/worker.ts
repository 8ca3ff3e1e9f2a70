/**
 * One process of the mutation test: the suites, collected, and the faults to plant. Told over the process channel which
 * fault to plant and which tests to ask; tells who noticed. See tools/mutate.mjs, which bundles this with the suites
 * and decides.
 */
import fc from "fast-check";
import { gradientMacro } from "../../src/autodiff/gradient.ts";
import * as o from "../../src/ir/ops/index.ts";
import * as node from "../../src/ir/node.ts";
import type { Definition, GlslFunction } from "../../src/ir/node.ts";
import { adam, sgd } from "../../src/optim/rules.ts";
import * as canonicalise from "../../src/passes/canonicalise.ts";
import type { Rule } from "../../src/passes/rewrite.ts";
import * as simplify from "../../src/passes/simplify.ts";
import { splitRule } from "../../src/passes/split-reductions.ts";
import { collected, expect, Skipped, type Collected, type Suite } from "./collector.ts";
import { allFaults, nameOf, type Fault } from "./faults.ts";

/** What a test asked of the definitions: "exp.vjp", "log1pOf.source", "law.apply". */
type Hits = Readonly<Record<string, readonly number[]>>;

export interface FaultEntry {
  readonly name: string;
  readonly of: string;
  readonly facet: string;
  readonly how: string;
  readonly lasting: boolean;
}

export type Request =
  | { readonly ask: "list" }
  | { readonly ask: "baseline"; readonly file: string }
  | { readonly ask: "alone"; readonly test: number }
  | { readonly ask: "fault"; readonly name: string; readonly tests: readonly number[] };

export interface BaselineTest {
  /** Among all collected. */
  readonly index: number;
  readonly id: string;
  /** Milliseconds; `entry` is what its suites' hooks took, which whoever asks it alone waits for. */
  readonly ms: number;
  readonly entry: number;
  readonly error: string | null;
}

export interface Baseline {
  readonly tests: readonly BaselineTest[];
  readonly hits: Hits;
}

export interface Verdict {
  /** The test that noticed, or null. */
  readonly by: number | null;
  readonly message: string;
  /** Whether that test is content again without the fault: if not, something of it stayed behind. */
  readonly clean: boolean;
  readonly asked: number;
}

/** Every law these files export, in whatever lists. */
function lawsOf(files: readonly object[]): readonly Rule[] {
  const lists = files.flatMap((file) => Object.values(file) as unknown[]).filter((e) => Array.isArray(e));
  return [...new Set(lists.flat().filter((e): e is Rule => typeof e === "object" && e !== null && "law" in e))];
}

/**
 * Empties the table of literals and what was built on them, so that a node made under a fault is not found again. The
 * bundle adds it to node.ts; the library needs no such thing.
 */
const { forgetRoots } = node as { readonly forgetRoots?: () => void };

/** The split of long reductions as rules.test.ts and profiles.test.ts have it. */
const rules = [...lawsOf([simplify, canonicalise]), splitRule(128)];
const macros = [
  gradientMacro,
  sgd.rule({ lr: 0, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false }).macro,
  sgd.rule({ lr: 0, momentum: 0.9, dampening: 0, weightDecay: 0, nesterov: false }).macro,
  adam.rule({ lr: 0, betas: [0, 0], eps: 0, weightDecay: 0 }).macro,
];
const faults = allFaults(rules, macros);

// The same random graphs in every process, or a test that passes without the fault might not have seen it.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: 20260 });
// Goldens ask whether they are being blessed.
expect.setState({ snapshotState: { snapshotUpdateState: "none" } } as unknown as Parameters<typeof expect.setState>[0]);

const line = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;

/** Runs tests with the hooks of the suites they are in; each suite is entered once. */
class Run {
  readonly #entered: Suite[] = [];
  /** What each suite's hooks took, in milliseconds. */
  readonly entry = new Map<Suite, number>();

  async test(t: Collected): Promise<string | null> {
    try {
      await this.#enter(t.suite);
      const suites = ancestors(t.suite);
      for (const s of suites) for (const f of s.beforeEach) await f();
      try {
        await t.run();
      } finally {
        for (const s of suites.reverse()) for (const f of s.afterEach) await f();
      }
      return null;
    } catch (error) {
      return error instanceof Skipped ? null : line(error) || "failed";
    }
  }

  async #enter(suite: Suite): Promise<void> {
    for (const s of ancestors(suite)) {
      if (this.#entered.includes(s)) continue;
      this.#entered.push(s);
      const start = performance.now();
      for (const f of s.before) await f();
      this.entry.set(s, performance.now() - start);
    }
  }

  async leave(): Promise<void> {
    for (const s of this.#entered.reverse())
      for (const f of s.after) {
        try {
          await f();
        } catch {
          // What a fault broke need not clean up after itself.
        }
      }
    this.#entered.length = 0;
  }
}

const ancestors = (s: Suite): Suite[] => (s.parent === null ? [s] : [...ancestors(s.parent), s]);

// Who asks what: every property a fault may sit in tells when it is read.

function watch(target: object, keys: readonly string[], name: string, note: (what: string) => void): () => void {
  const undo = keys.map((key) => {
    const known = Object.getOwnPropertyDescriptor(target, key);
    const { value } = known ?? {};
    Object.defineProperty(target, key, {
      configurable: true,
      enumerable: true,
      get: () => {
        note(`${name} | ${key}`);
        return value as unknown;
      },
    });
    return () => {
      if (known === undefined) Reflect.deleteProperty(target, key);
      else Object.defineProperty(target, key, known);
    };
  });
  return () => undo.forEach((f) => f());
}

function watchAll(note: (what: string) => void): () => void {
  const undo: (() => void)[] = [];
  const seen = new Set<GlslFunction>();
  const helper = (f: GlslFunction): void => {
    if (seen.has(f)) return;
    seen.add(f);
    f.needs?.forEach(helper);
    undo.push(
      watch(f, ["source"], f.name, (what) => {
        note(what.replace("| source", "| helper"));
      }),
    );
  };
  const facets = [...new Set(faults.map((f) => f.facet))];
  for (const d of [...o.definitions, ...macros]) {
    if ("needs" in d) d.needs?.forEach(helper);
    undo.push(watch(d satisfies Definition, facets, d.name, note));
  }
  for (const r of rules) undo.push(watchLaw(r, note));
  return () => undo.forEach((f) => f());
}

/** A law is asked of every node; what counts is where it applies. */
function watchLaw(rule: { apply: Rule["apply"]; readonly law: string }, note: (what: string) => void): () => void {
  const { apply } = rule;
  rule.apply = (n, uses) => {
    const y = apply(n, uses);
    if (y !== null && y !== n) note(`${rule.law} | result`);
    return y;
  };
  return () => {
    rule.apply = apply;
  };
}

const fileOf = (t: Collected): string => ancestors(t.suite)[0]!.title;

/** Runs the tests of one file without a fault. */
async function baseline(file: string): Promise<Baseline> {
  const tests: BaselineTest[] = [];
  const hits = new Map<string, Set<number>>();
  const run = new Run();
  let asking = 0;
  const unwatch = watchAll((what) => {
    let of = hits.get(what);
    if (of === undefined) hits.set(what, (of = new Set()));
    of.add(asking);
  });
  for (const [index, t] of collected.entries()) {
    if (fileOf(t) !== file) continue;
    asking = index;
    const before = ancestors(t.suite).filter((s) => !run.entry.has(s));
    const start = performance.now();
    const error = await run.test(t);
    const ms = performance.now() - start - before.reduce((sum, s) => sum + (run.entry.get(s) ?? 0), 0);
    const entry = ancestors(t.suite).reduce((sum, s) => sum + (run.entry.get(s) ?? 0), 0);
    tests.push({ index, id: t.id, ms, entry, error });
  }
  await run.leave();
  unwatch();
  return { tests, hits: Object.fromEntries([...hits].map(([what, of]) => [what, [...of]])) };
}

async function verdict(fault: Fault, tests: readonly number[]): Promise<Verdict> {
  const run = new Run();
  const remove = fault.plant();
  let by: number | null = null;
  let message = "";
  let asked = 0;
  try {
    for (const i of tests) {
      asked++;
      const error = await run.test(collected[i]!);
      if (error !== null) {
        by = i;
        message = error;
        break;
      }
    }
  } finally {
    await run.leave();
    remove();
    forgetRoots?.();
  }
  return { by, message, clean: by === null || (await alone(by)) === null, asked };
}

/** What a test says by itself, without a fault. */
async function alone(test: number): Promise<string | null> {
  const run = new Run();
  const error = await run.test(collected[test]!);
  await run.leave();
  return error;
}

async function answer(request: Request): Promise<unknown> {
  switch (request.ask) {
    case "list":
      return faults.map((f): FaultEntry => ({
        name: nameOf(f),
        of: f.of,
        facet: f.facet,
        how: f.how,
        lasting: f.lasting === true,
      }));
    case "baseline":
      return baseline(request.file);
    case "alone":
      return alone(request.test);
    case "fault": {
      const fault = faults.find((f) => nameOf(f) === request.name);
      if (fault === undefined) throw new Error(`there is no fault ${request.name}`);
      return verdict(fault, request.tests);
    }
  }
}

process.on("message", (request: Request) => {
  answer(request).then(
    (result) => process.send!({ result }),
    (error: unknown) =>
      process.send!({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
