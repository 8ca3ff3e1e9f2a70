/**
 * A plan as files a person reads: the traced graph, the graph after each pass, what became of every traced node, the
 * kernels with the reason of each cut, and the GLSL. Texts only; who writes them where is the dump's business.
 */
import { cutReasons, type CutReason } from "../ir/kernel.ts";
import type { Node } from "../ir/node.ts";
import { numbered, print, printOperation } from "../ir/text/print.ts";
import { numel } from "../ir/shape.ts";
import { addWork, noWork, type Work } from "../codegen/glsl/count.ts";
import { printFate, printKernel } from "../passes/print.ts";
import type { PlanInfo } from "./compile.ts";
import { countPlan } from "./count-plan.ts";

/** File name to text. */
export type PlanFiles = ReadonlyMap<string, string>;

/** What index.json says of a plan. */
export interface PlanIndex {
  readonly files: readonly string[];
  readonly stages: readonly {
    readonly name: string;
    readonly nodes: number;
    readonly laws: Readonly<Record<string, number>>;
  }[];
  readonly kernels: readonly {
    readonly stores: readonly { readonly what: string; readonly reason: CutReason | null; readonly why: string }[];
    readonly reads: number;
    readonly phases: number;
    readonly glsl: string | null;
    readonly gathers: number;
    /** Of one fragment. */
    readonly fetches: number;
    /** Of the whole draw; null on the cpu device, and of a kernel of nothing. */
    readonly work: Work | null;
  }[];
  /** Of one run, copies of what is asked for twice among it; null on the cpu device. */
  readonly counts: (Work & { readonly draws: number; readonly programs: number }) | null;
  /** One for each traced node: its place in the traced graph, its operation, what became of it. */
  readonly nodes: readonly {
    readonly number: number;
    readonly op: string;
    readonly fate: string;
    readonly kernels: readonly number[];
  }[];
}

export interface DescribedPlan {
  readonly files: PlanFiles;
  readonly index: PlanIndex;
}

const two = (n: number): string => String(n).padStart(2, "0");

/** Everything there is to say of a plan. It must have been compiled while somebody observed. */
export function describePlan(info: PlanInfo): DescribedPlan {
  const { request, plan, programs } = info;
  const files = new Map<string, string>();
  const record = plan.record;
  const last = record?.stages.at(-1)?.roots ?? plan.roots.map((b) => plan.buffers[b]!.node);
  const nameOf = namesOf(last);
  const stages = (record?.stages ?? []).map(({ name, roots, hits }, i) => {
    const laws = Object.fromEntries(hits);
    const said = Object.entries(laws).map(([law, n]) => `// hit ${n}: ${law}\n`);
    files.set(`${two(i)}-${name.replaceAll(" ", "-")}.ir`, said.join("") + print(roots));
    return { name, nodes: below(roots), laws };
  });
  const traced = namesOf(request.roots.map((r) => r.node));
  const nodes = request.order.map((n, number) => {
    const fate = record?.traced.get(n);
    const kernels =
      fate?.kind !== "became"
        ? []
        : fate.fate.kind === "stored"
          ? [fate.fate.kernel]
          : fate.fate.kind === "inlined"
            ? fate.fate.kernels
            : [];
    return {
      number,
      op: `${traced(n)} = ${printOperation(n, traced)}`,
      fate: fate === undefined ? "not recorded" : printFate(fate, nameOf),
      kernels,
    };
  });
  files.set("nodes.txt", nodes.map((n) => `${String(n.number).padStart(4)}  ${n.op}  ->  ${n.fate}\n`).join(""));
  files.set("kernels.txt", plan.kernels.map((_, i) => printKernel(plan, i, nameOf, record?.fates ?? null)).join("\n"));
  // Kernels that share a draw share its program, which has the first one's number.
  const drawOf = plan.draws.flatMap((draw, d) => draw.map(() => ({ draw, program: programs[d] })));
  programs.forEach((p, d) => files.set(`kernel-${two(plan.draws[d]![0]!)}.glsl`, p.source));
  const counted = programs.length === 0 ? null : countPlan(info);
  const works = counted?.draws.map(workOf) ?? [];
  const kernels = plan.kernels.map((k, i) => ({
    stores: k.stores.map((s) => {
      const { reason } = plan.buffers[s.buffer]!;
      return { what: s.label, reason, why: reason === null ? "" : cutReasons[reason] };
    }),
    reads: k.loads.length,
    phases: k.phases.length,
    glsl: drawOf[i]!.program === undefined ? null : `kernel-${two(drawOf[i]!.draw[0]!)}.glsl`,
    gathers: drawOf[i]!.program?.counts.gathers ?? 0,
    fetches: drawOf[i]!.program?.counts.fetches ?? 0,
    work: counted === null || numel(k.shape) === 0 || drawOf[i]!.draw[0] !== i ? null : works.shift()!,
  }));
  const counts =
    counted === null ? null : { ...workOf(counted), draws: counted.draws.length, programs: counted.programs };
  return { files, index: { files: [...files.keys()], stages, kernels, counts, nodes } };
}

/** The work alone of what has more. */
const workOf = (counted: Work): Work => addWork(noWork, counted);

/** Names as the printed graph of `roots` has them; what is not in it is called by its operation. */
function namesOf(roots: readonly Node[]): (n: Node) => string {
  const { args, body, name } = numbered(roots);
  const known = new Set([...args, ...body]);
  return (n) => (known.has(n) ? name(n) : `(${n.op.name})`);
}

function below(roots: readonly Node[]): number {
  const seen = new Set<Node>(roots);
  const stack = [...roots];
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    for (const e of n.inputs) {
      if (seen.has(e)) continue;
      seen.add(e);
      stack.push(e);
    }
  }
  return seen.size;
}
