/**
 * `texgrad dump FILE`: runs a script that imports texgrad and writes, for each plan it compiles, the traced graph, the
 * graph after each pass, the kernels with the reason of each cut, the GLSL, and index.json. Not here: the texts
 * (src/runtime/describe.ts).
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { countingDevice, describePlan, observePlans, type DeviceKind, type PlanIndex } from "../src/debug.ts";
import { setDevice } from "../src/index.ts";

export const usage = `texgrad dump FILE [--out DIR] [--device KIND] [-- ARGS...]

Runs FILE (JavaScript that imports texgrad) and writes what each of its plans became:
  DIR/plan-01/00-traced.ir, 01-canonicalise.ir, ...   the graph after each pass
  DIR/plan-01/nodes.txt       every traced node: the kernel it is part of, or why nothing is left of it
  DIR/plan-01/kernels.txt     each draw: what it stores and why, its loops, its loads
  DIR/plan-01/kernel-00.glsl  the program of each draw
  DIR/index.json              all of it, for tools, with what each draw costs: texels, fetches, multiply-adds
--out DIR       default .texgrad/dump; emptied first
--device KIND   software or gpu: compiles for such a device and draws nothing; every number FILE reads is NaN`;

const kinds: readonly DeviceKind[] = ["software", "gpu"];

/** Returns the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const cut = args.indexOf("--");
  const own = cut < 0 ? args : args.slice(0, cut);
  const { values, positionals } = parseArgs({
    args: [...own],
    options: { out: { type: "string", default: join(".texgrad", "dump") }, device: { type: "string" } },
    allowPositionals: true,
  });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) {
    console.error(`texgrad dump: takes one file\n\n${usage}`);
    return 2;
  }
  const kind = kinds.find((k) => k === values.device);
  if (values.device !== undefined && kind === undefined) {
    console.error(`texgrad dump: --device ${values.device}: takes ${kinds.join(" or ")}`);
    return 2;
  }
  if (kind !== undefined) setDevice(countingDevice(kind));
  const script = resolve(file);
  process.argv = [process.argv[0]!, script, ...(cut < 0 ? [] : args.slice(cut + 1))];
  const plans: PlanIndex[] = [];
  const texts: ReadonlyMap<string, string>[] = [];
  // Described when compiled: a plan's graph may be gone when the script ends.
  const stop = observePlans((info) => {
    const { files, index } = describePlan(info);
    plans.push(index);
    texts.push(files);
  });
  // Written when the process ends, however the script ends it.
  process.once("exit", () => {
    stop();
    write(values.out, plans, texts);
    console.error(`${plans.length} plans written to ${values.out}`);
  });
  try {
    await import(pathToFileURL(script).href);
  } catch (error) {
    console.error(`texgrad dump: ${file}: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
  return Number(process.exitCode ?? 0);
}

function write(out: string, plans: readonly PlanIndex[], texts: readonly ReadonlyMap<string, string>[]): void {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const [i, files] of texts.entries()) {
    const folder = join(out, planName(i));
    mkdirSync(folder);
    for (const [name, text] of files) writeFileSync(join(folder, name), text);
  }
  const index = plans.map((plan, i) => ({ folder: planName(i), ...plan }));
  writeFileSync(join(out, "index.json"), `${JSON.stringify(index, null, 1)}\n`);
}

const planName = (i: number): string => `plan-${String(i + 1).padStart(2, "0")}`;
