/**
 * Stands in for "vitest" when the suites run inside the mutation test: it collects tests instead of running them, so
 * that one process can run any of them many times. `expect` is vitest's own. Not here: what is run when.
 */
import type * as vitest from "vitest";

export { expect, expectTypeOf } from "vitest";

type Body = (...args: never[]) => unknown;
type Hook = () => unknown;

export interface Suite {
  readonly title: string;
  readonly parent: Suite | null;
  readonly before: Hook[];
  readonly after: Hook[];
  readonly beforeEach: Hook[];
  readonly afterEach: Hook[];
}

export interface Collected {
  /** File, describes and title; the same in every process. */
  readonly id: string;
  readonly suite: Suite;
  readonly run: () => unknown;
}

export const collected: Collected[] = [];

const suite = (title: string, parent: Suite | null): Suite => ({
  title,
  parent,
  before: [],
  after: [],
  beforeEach: [],
  afterEach: [],
});
let current = suite("", null);
const counts = new Map<string, number>();

/** Whatever is collected from now on belongs to this file. */
export function beginFile(file: string): void {
  current = suite(file, null);
}

function path(at: Suite): string {
  return at.parent === null ? at.title : `${path(at.parent)} > ${at.title}`;
}

function add(title: unknown, run: () => unknown): void {
  const name = `${path(current)} > ${String(title)}`;
  const seen = counts.get(name) ?? 0;
  counts.set(name, seen + 1);
  collected.push({ id: seen === 0 ? name : `${name} #${seen + 1}`, suite: current, run });
}

/** vitest's `$name` and `%s` in the titles of `each`, as far as titles need to differ. */
function titled(template: unknown, row: readonly unknown[], index: number): string {
  let next = 0;
  const first = row[0];
  return String(template)
    .replace(/%([#sdifjo%])/g, (_, c: string) => (c === "#" ? String(index) : c === "%" ? "%" : show(row[next++])))
    .replace(/\$([\w.]+)/g, (whole, keys: string) => {
      if (typeof first !== "object" || first === null) return whole;
      const value = keys.split(".").reduce<unknown>((v, k) => (v as Record<string, unknown> | undefined)?.[k], first);
      return value === undefined ? whole : show(value);
    });
}

const show = (v: unknown): string =>
  typeof v === "string" ? v : typeof v === "number" || typeof v === "boolean" ? String(v) : "...";

/** The function among `(title, body, timeout)` and `(title, options, body)`. */
const bodyOf = (rest: readonly unknown[]): Body => rest.find((e): e is Body => typeof e === "function") ?? (() => {});

const context = {
  skip: () => {
    throw new Skipped();
  },
  task: { name: "" },
};
export class Skipped extends Error {}

function each(take: (title: string, body: Body, row: readonly unknown[]) => void) {
  return (rows: readonly unknown[]) =>
    (title: unknown, ...rest: readonly unknown[]): void => {
      const body = bodyOf(rest);
      rows.forEach((row, i) => {
        const args = Array.isArray(row) ? (row as readonly unknown[]) : [row];
        take(titled(title, args, i), body, args);
      });
    };
}

function testOf(): (title: unknown, ...rest: readonly unknown[]) => void {
  return (title, ...rest) => {
    const body = bodyOf(rest) as (c: unknown) => unknown;
    add(title, () => body(context));
  };
}

function describeOf(title: unknown, ...rest: readonly unknown[]): void {
  within(String(title), () => call(bodyOf(rest), []));
}

function within(title: string, f: () => void): void {
  const outer = current;
  current = suite(title, outer);
  try {
    f();
  } finally {
    current = outer;
  }
}

const nothing = (): void => {};
const call = (body: Body, args: readonly unknown[]): unknown =>
  (body as (...a: readonly unknown[]) => unknown)(...args);

const takeTest = Object.assign(testOf(), {
  each: each((title, body, row) => add(title, () => call(body, row))),
  skip: nothing,
  todo: nothing,
  skipIf: (condition: unknown) => (condition === true ? nothing : takeTest),
  runIf: (condition: unknown) => (condition === false ? nothing : takeTest),
});
const takeSuite = Object.assign(describeOf, {
  each: each((title, body, row) => within(title, () => void call(body, row))),
  skip: nothing,
  skipIf: (condition: unknown) => (condition === true ? nothing : takeSuite),
  runIf: (condition: unknown) => (condition === false ? nothing : takeSuite),
});

export const it = takeTest as unknown as typeof vitest.it;
export const test = takeTest as unknown as typeof vitest.test;
export const describe = takeSuite as unknown as typeof vitest.describe;
export const beforeAll = (f: Hook): void => void current.before.push(f);
export const afterAll = (f: Hook): void => void current.after.push(f);
export const beforeEach = (f: Hook): void => void current.beforeEach.push(f);
export const afterEach = (f: Hook): void => void current.afterEach.push(f);
