/**
 * docs/ops.md from the definitions: one row an op, in the words the definition itself carries. Not here: what a user
 * calls them; that is Tensor's documentation.
 */
import { format } from "prettier";
import { dtypes as allDtypes, type DType } from "../../src/ir/dtype.ts";
import { noAttrs, type Definition, type Kind, type MapDefinition, type ReduceDefinition } from "../../src/ir/node.ts";

interface Section {
  readonly kind: Kind;
  readonly title: string;
  readonly text: string;
}

const sections: readonly Section[] = [
  {
    kind: "map",
    title: "Maps",
    text: "One result an element; operands have one shape, which the builders reach by broadcasting.",
  },
  {
    kind: "view",
    title: "Views",
    text: "Each is a pull-back, from an output coordinate to the input coordinate it reads; no view is ever a draw.",
  },
  { kind: "reduce", title: "Reductions", text: "All elements along given axes become one; the axes disappear." },
  { kind: "gather", title: "Gather", text: "A read at a coordinate that is computed." },
  { kind: "leaf", title: "Leaves", text: "What a graph starts from." },
];

/** Relative tolerance of f32 results on GL where a definition says no other. */
const USUAL_TOLERANCE = 2e-5;

/** The dtypes an op takes: of the operand that decides, the last one. */
function taken(d: Definition): readonly DType[] {
  switch (d.kind) {
    case "map":
      return [...new Set((d.probes ?? [d.samples.map((): DType => "f32")]).map((p) => p.at(-1)!))];
    case "reduce":
      return d.probes ?? ["f32"];
    default:
      return allDtypes;
  }
}

const gives = (d: MapDefinition | ReduceDefinition): boolean =>
  d.kind === "reduce"
    ? taken(d).some((t) => d.dtype(t, noAttrs) === "f32")
    : (d.probes ?? [d.samples.map((): DType => "f32")]).some((p) =>
        (d.probeAttrs ?? [noAttrs]).some((attrs) => d.dtype(p, attrs) === "f32"),
      );

function gradient(d: Definition): string {
  if (d.kind === "leaf" || d.kind === "macro" || d.kind === "item") return "";
  return d.vjp === null ? "no" : "yes";
}

/** Results that are no floats, and views, are exact. */
function tolerance(d: Definition): string {
  if (d.kind === "map" || d.kind === "reduce") {
    const own = d.kind === "map" ? d.tolerance : undefined;
    return gives(d) ? (own ?? USUAL_TOLERANCE).toExponential() : "exact";
  }
  return d.kind === "leaf" ? "" : "exact";
}

const escaped = (text: string): string => text.replaceAll("|", "\\|").replaceAll("*", "\\*").replaceAll("_", "\\_");

function row(d: Definition): string {
  const list = taken(d);
  const types = d.kind === "leaf" ? "" : list.length === allDtypes.length ? "any" : list.join(", ");
  return `| \`${d.name}\` | ${d.kind} | ${escaped(d.doc)} | ${types} | ${gradient(d)} | ${tolerance(d)} |`;
}

/** The page, as prettier leaves it. */
export async function opTable(definitions: readonly Definition[]): Promise<string> {
  const parts = sections.map(({ kind, title, text }) => {
    const rows = definitions.filter((d) => d.kind === kind).map(row);
    const head = "| op | kind | meaning | dtypes | gradient | tolerance |\n| --- | --- | --- | --- | --- | --- |";
    return `## ${title}\n\n${text}\n\n${head}\n${rows.join("\n")}\n`;
  });
  const page = `# Operations of the IR

Made by \`npm run docs\` from the definitions in \`src/ir/ops\`; do not edit. What users call, and the compositions of these
operations (matmul, convolution, softmax, losses), is documented on \`Tensor\`, \`F\` and \`nn\`.

**dtypes**: of the operand that decides, the last one. **gradient**: whether the op has a gradient rule; integers and masks never
have one. **tolerance**: how far a result on WebGL may be from the exact one, relative, away from zeros; besides, no result is off
by more than 1e-5 of the largest.

${parts.join("\n")}`;
  return format(page, { parser: "markdown", printWidth: 120 });
}
