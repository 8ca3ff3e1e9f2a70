/** The measurements as rows: for the screen, for JSON, and the reasons to refuse a run. */
import { quartiles, type Quartiles } from "../statistics.ts";
import { texgrad, tfjs } from "./engines.ts";
import { net, type Measured } from "./measure.ts";

/** One engine on one workload. */
export interface Row {
  readonly workload: string;
  readonly engine: string;
  /** Why there are no figures. */
  readonly notYet?: string;
  /** ms of a step, net of the read; and with it. */
  readonly ms?: Quartiles;
  readonly msWithRead?: Quartiles;
  /** The engine's net time over texgrad's in the same round: above 1, texgrad is faster. */
  readonly ratio?: Quartiles;
  readonly pairs?: number;
  readonly coldMs?: number;
  /** The part of coldMs until the step was issued. */
  readonly issueMs?: number;
  readonly setUpMs?: number;
  readonly draws?: number;
  /** Linked by the first step; and since the page was opened, with set-up and reads. */
  readonly stepPrograms?: number;
  readonly programs?: number;
  readonly peakBytes?: number;
}

export function rowsOf({ workload, starts, rounds }: Measured): Row[] {
  const own = rounds.get(texgrad.name);
  return [...starts].map(([engine, start]): Row => {
    const base = { workload: workload.id, engine };
    if ("notYet" in start) return { ...base, notYet: start.notYet };
    const { coldMs, issueMs, setUpMs, counts } = start;
    const measured = rounds.get(engine) ?? [];
    const ratios = (own ?? []).map((ours, i) => net(measured[i]!) / net(ours));
    return {
      ...base,
      ms: quartiles(measured.map(net)),
      msWithRead: quartiles(measured.map(({ step }) => step)),
      ...(ratios.length > 0 && { ratio: quartiles(ratios), pairs: ratios.length }),
      coldMs,
      issueMs,
      setUpMs,
      ...counts,
    };
  });
}

const MOST_DRAWS_OFF = 0.1;
const MOST_TIME_OFF = 1.5;

/**
 * Why the run says nothing: tfjs does not draw what issue 3's table says of it (10 %), or its times stand in another
 * proportion to its own matmul of 512 than there (1.5 times).
 */
export function refusals(all: readonly Measured[], rows: readonly Row[]): string[] {
  const ofTfjs = (id: string): Row | undefined => rows.find((r) => r.engine === tfjs.name && r.workload === id);
  const table = new Map(all.map(({ workload }) => [workload.id, workload.tfjs]));
  const unit = ofTfjs("w4_512")?.msWithRead?.median;
  return all.flatMap(({ workload: { id, tfjs: told } }) => {
    const row = ofTfjs(id);
    if (row?.msWithRead === undefined || told === undefined) return [];
    const found: string[] = [];
    if (Math.abs(row.draws! - told.draws) > MOST_DRAWS_OFF * told.draws) {
      found.push(`${id}: tfjs draws ${row.draws}, the table says ${told.draws}`);
    }
    if (unit !== undefined) {
      const off = row.msWithRead.median / unit / (told.ms / table.get("w4_512")!.ms);
      if (off > MOST_TIME_OFF || off < 1 / MOST_TIME_OFF) {
        found.push(`${id}: tfjs's time relative to its W4 512 is ${off.toFixed(2)} times the table's`);
      }
    }
    return found;
  });
}

const columns = ["workload", "engine", "ms", "quartiles", "engine / texgrad", "draws", "programs", "first ms", "peak MiB"]; // prettier-ignore

/** A table in Markdown. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((r) =>
    r.notYet !== undefined
      ? [r.workload, r.engine, `not yet: ${r.notYet}`, "", "", "", "", "", ""]
      : [
          r.workload,
          r.engine,
          ms(r.ms!.median),
          `${ms(r.ms!.lower)} to ${ms(r.ms!.upper)}`,
          r.ratio === undefined || r.engine === texgrad.name
            ? ""
            : `${r.ratio.median.toFixed(2)} (${r.ratio.lower.toFixed(2)} to ${r.ratio.upper.toFixed(2)})`,
          r.draws === undefined ? "" : String(r.draws),
          r.programs === undefined ? "" : `${r.stepPrograms} of ${r.programs}`,
          r.coldMs!.toFixed(0),
          r.peakBytes === undefined ? "" : (r.peakBytes / 2 ** 20).toFixed(1),
        ],
  );
  const line = (parts: readonly string[]): string => `| ${parts.join(" | ")} |`;
  return [line(columns), line(columns.map((_, i) => (i < 2 ? "---" : "--:"))), ...cells.map(line)].join("\n");
}

const ms = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
