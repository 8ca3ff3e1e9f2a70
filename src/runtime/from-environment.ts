/**
 * What the environment asks to be told of plans: TEXGRAD_DEBUG=1 to 5 in words, TEXGRAD_DUMP=FOLDER as files. Loaded
 * only where one is set, so that no bundle holds it. What the levels show: docs/debugging.md.
 */
import { platform } from "#platform";
import { layoutBytes } from "../ir/layout.ts";
import type { PlanInfo } from "./compile.ts";
import { describePlan, type PlanIndex } from "./describe.ts";

let plans = 0;
const indices: (PlanIndex & { readonly plan: string })[] = [];

/** Writes or prints what is asked for. Never fails the program: what cannot be written is said once. */
export function report(info: PlanInfo, level: number, folder: string): Promise<void> {
  const name = `plan-${String(++plans).padStart(2, "0")}`;
  if (level > 0) platform.write(`texgrad: ${name}: ${inWords(info, level)}`);
  return folder === "" ? Promise.resolve() : write(info, folder, name);
}

export function inWords(info: PlanInfo, level: number): string {
  const { plan, programs } = info;
  const bytes = plan.buffers.reduce((n, b) => n + (b.reason === null ? 0 : layoutBytes(b.layout)), 0);
  const texts = new Set(programs.map((p) => p.source)).size;
  const head = `${info.request.order.length} traced nodes, ${plan.draws.length} draws, ${texts} programs, ${bytes} bytes of results`;
  if (level < 2) return `${head}\n`;
  const { files, index } = describePlan(info);
  const draws = index.kernels.map((k, i) => {
    const { width, height, R } = plan.kernels[i]!.layout;
    const stores = k.stores.map((s) => s.what).join(", ");
    return `  ${i}: stores ${stores}; ${width} x ${height} x ${R} texels; ${k.phases} phases, reads ${k.reads} textures, ${k.fetches} fetches a fragment, ${k.gathers} loads by four fetches\n`;
  });
  const out = [`${head}\n`, ...draws];
  const add = (wanted: (name: string) => boolean): void => {
    for (const [name, text] of files) if (wanted(name)) out.push(`-- ${name}\n`, text);
  };
  if (level >= 3) add((n) => n === "nodes.txt" || n === "kernels.txt");
  if (level >= 4) add((n) => n.endsWith(".glsl"));
  if (level >= 5) add((n) => n.endsWith(".ir"));
  return out.join("");
}

/** One file a text, in the folder itself, which must exist. */
async function write(info: PlanInfo, folder: string, name: string): Promise<void> {
  const { files, index } = describePlan(info);
  indices.push({ plan: name, ...index });
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  for (const [file, text] of files) await platform.writeBytes(`${folder}/${name}-${file}`, bytes(text));
  await platform.writeBytes(`${folder}/index.json`, bytes(`${JSON.stringify(indices, null, 1)}\n`));
}
