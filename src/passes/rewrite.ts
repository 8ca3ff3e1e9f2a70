/**
 * The rewrite driver: local laws, each named by what it says, applied bottom-up until none fits.
 * A law sees a node whose inputs are already rewritten and gives an equal node or null.
 */
import { InvariantError } from "../ir/errors.ts";
import { rebuild, type Node } from "../ir/node.ts";

export interface Rule {
  /** The law, as in "x * 1 => x". */
  readonly law: string;
  readonly apply: (n: Node) => Node | null;
  /** Graphs the law applies to; tests evaluate both sides of each. */
  readonly examples: () => readonly Node[];
}

/** Counts how often each law hit; tests ask that none is idle, the dump prints them. */
export type Hits = Map<string, number>;

/** A node that is still being rewritten after this many hits is a loop of laws. */
const MAX_HITS_PER_NODE = 100;

/**
 * Rewrites everything below `roots`. Returns what each node became; nodes in `fixed` stay as they are and are not
 * looked into.
 */
export function rewrite(
  roots: readonly Node[],
  rules: readonly Rule[],
  hits: Hits | null,
  fixed: ReadonlySet<Node> = none,
): Map<Node, Node> {
  const done = new Map<Node, Node>();
  const stack: Node[] = [...roots];
  while (stack.length > 0) {
    const n = stack[stack.length - 1]!;
    if (done.has(n)) {
      stack.pop();
      continue;
    }
    if (fixed.has(n)) {
      done.set(n, n);
      continue;
    }
    let ready = true;
    for (const e of n.inputs) {
      if (!done.has(e)) {
        stack.push(e);
        ready = false;
      }
    }
    if (!ready) continue;
    stack.pop();
    const made = rebuild(
      n,
      n.inputs.map((e) => done.get(e)!),
    );
    done.set(n, made === n || !done.has(made) ? applyRules(made, rules, hits, done) : done.get(made)!);
  }
  return done;
}

const none: ReadonlySet<Node> = new Set();

/** Applies laws at `n` until none fits. What a law builds below its result is rewritten too. */
function applyRules(n: Node, rules: readonly Rule[], hits: Hits | null, done: Map<Node, Node>): Node {
  const trail: string[] = [];
  let current = n;
  outer: for (;;) {
    for (const rule of rules) {
      const next = rule.apply(current);
      if (next === null || next === current) continue;
      hits?.set(rule.law, (hits.get(rule.law) ?? 0) + 1);
      trail.push(rule.law);
      if (trail.length > MAX_HITS_PER_NODE)
        throw new InvariantError(`rules do not terminate: ${trail.slice(-4).join("; ")}`);
      const known = done.get(next);
      if (known !== undefined) return known;
      const inputs = next.inputs.map((e) => rewriteNew(e, rules, hits, done));
      current = rebuild(next, inputs);
      continue outer;
    }
    done.set(current, current);
    return current;
  }
}

/** A node a law made on the way: its inputs are older results or new as well. */
function rewriteNew(n: Node, rules: readonly Rule[], hits: Hits | null, done: Map<Node, Node>): Node {
  const known = done.get(n);
  if (known !== undefined) return known;
  const inputs = n.inputs.map((e) => rewriteNew(e, rules, hits, done));
  const out = applyRules(rebuild(n, inputs), rules, hits, done);
  done.set(n, out);
  return out;
}
