/**
 * What became of every node, for the dump: which kernels it is part of and why, or why nothing is left of it.
 * Only looked into when a record is asked for; decides nothing.
 */
import type { CutReason } from "../ir/kernel.ts";
import type { Node } from "../ir/node.ts";
import type { FoldReason, NodeFate, PlanRecord, PlanStage, TracedFate } from "../ir/plan.ts";
import type { KernelGroup } from "./groups.ts";
import type { InlineWhy } from "./partition.ts";
import type { OnHit } from "./rewrite.ts";

/** Notes the stages of a plan in the making. */
export class Recorder {
  private readonly stages: PlanStage[] = [];
  private hits = new Map<string, number>();
  /** Which law made a node's users another way. */
  private readonly droppedBy = new Map<Node, string>();

  readonly onHit: OnHit = (law, before, after) => {
    this.hits.set(law, (this.hits.get(law) ?? 0) + 1);
    const left = below([after]);
    for (const n of below([before])) if (!left.has(n) && !this.droppedBy.has(n)) this.droppedBy.set(n, law);
  };

  stage(name: string, roots: readonly Node[]): void {
    this.stages.push({ name, roots, hits: this.hits });
    this.hits = new Map();
  }

  record(
    traced: readonly Node[],
    images: ReadonlyMap<Node, readonly Node[]>,
    fates: ReadonlyMap<Node, NodeFate>,
  ): PlanRecord {
    const inStage = this.stages.map((s) => below(s.roots));
    const fateOf = (n: Node): TracedFate => {
      if (n.op.kind === "macro") return folded("macro");
      const all = images.get(n)!;
      const last = all[all.length - 1]!;
      const fate = fates.get(last);
      if (fate !== undefined) return { kind: "became", node: last, fate };
      // The first stage that no image of it is part of tells what let it go.
      const gone = inStage.findIndex((s) => !all.some((e) => s.has(e)));
      const why = gone < 0 ? "unread" : (reasonOf[this.stages[gone]!.name] ?? "unread");
      if (why !== "law") return folded(why);
      return folded(why, all.map((e) => this.droppedBy.get(e)).find((e) => e !== undefined) ?? null);
    };
    return { stages: this.stages, fates, traced: new Map(traced.map((n) => [n, fateOf(n)])) };
  }
}

/** Why a node is missing from the graph after a stage. */
const reasonOf: Readonly<Record<string, FoldReason>> = {
  canonicalise: "law",
  "expand macros": "differentiated",
  "bind leaves": "at hand",
  simplify: "law",
};

const folded = (why: FoldReason, law: string | null = null): TracedFate => ({ kind: "folded", why, law });

/** What partition and grouping made of each node of the last graph. */
export function fatesOf(
  stored: ReadonlyMap<Node, CutReason>,
  inlined: ReadonlyMap<Node, InlineWhy>,
  groups: readonly KernelGroup[],
  buffers: ReadonlyMap<Node, number>,
): Map<Node, NodeFate> {
  const fates = new Map<Node, NodeFate>();
  for (const [node, buffer] of buffers) fates.set(node, { kind: "bound", buffer });
  const kernels = new Map<Node, number[]>();
  groups.forEach(({ nodes, stores }, kernel) => {
    // What only its own kernel reads is a phase of it, or on the way to one of its results.
    const why = (n: Node): InlineWhy => (n.op.kind === "reduce" ? "phase" : "epilogue");
    for (const n of nodes) fates.set(n, { kind: "inlined", why: why(n), kernels: [kernel] });
    for (const n of stores) fates.set(n, { kind: "stored", reason: stored.get(n)!, kernel });
    const inside = below(
      nodes.flatMap((n) => n.inputs),
      (n) => stored.has(n) || buffers.has(n),
    );
    for (const n of inside) {
      if (!inlined.has(n)) continue;
      const all = kernels.get(n);
      if (all === undefined) kernels.set(n, [kernel]);
      else all.push(kernel);
    }
  });
  for (const [n, why] of inlined) fates.set(n, { kind: "inlined", why, kernels: kernels.get(n) ?? [] });
  return fates;
}

/** Everything below `roots`, themselves included; what `stop` says is neither in nor looked below. */
function below(roots: readonly Node[], stop: (n: Node) => boolean = () => false): Set<Node> {
  const seen = new Set<Node>();
  const stack = [...roots];
  while (stack.length > 0) {
    const n = stack.pop()!;
    if (seen.has(n) || stop(n)) continue;
    seen.add(n);
    stack.push(...n.inputs);
  }
  return seen;
}
