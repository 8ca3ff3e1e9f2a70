/**
 * What `npm start` may be told, checked. Not here: what is done with it.
 */
import { parseArgs } from "node:util";

export interface TrainOptions {
  /** Folder with the IDX files; null: look in the usual places, else draw digits. */
  readonly data: string | null;
  /** null: webgl where there is a context, else cpu. */
  readonly device: "cpu" | "webgl" | null;
  readonly epochs: number;
  readonly seed: number;
  /** Whether the last line is JSON. */
  readonly json: boolean;
}

export const usage = `npm start -- [options]: trains an MLP 784-128-10 on handwritten digits (Adam, lr 1e-3, batch 64)

  --data DIR       folder with MNIST's IDX files, gzipped or not; else mnist/ under TEXGRAD_DATA, else
                   ../shared/data/mnist, else digits drawn by this program (synthetic)
  --device NAME    cpu or webgl; default webgl where there is a context, else cpu
  --epochs N       default 5
  --seed N         of the initial weights and the order of the batches; default 0
  --json           the last line is JSON: accuracy, losses, drawsPerStep, programs, bytes, msPerStep and more
  --help           this text`;

/** A fault of the command line or of a file it names: told in one line, without a stack. */
export class UsageError extends Error {}

/** The options, or null where help is asked for. Throws UsageError. */
export function parseOptions(args: readonly string[]): TrainOptions | null {
  const { data, device, epochs, seed, json, help } = parsed(args);
  if (help === true) return null;
  if (device !== undefined && device !== "cpu" && device !== "webgl") {
    throw new UsageError(`--device ${device}: there are cpu and webgl`);
  }
  return {
    data: data ?? null,
    device: device ?? null,
    epochs: whole("--epochs", epochs ?? "5", 1),
    seed: whole("--seed", seed ?? "0", 0),
    json: json ?? false,
  };
}

function parsed(args: readonly string[]): {
  readonly data?: string;
  readonly device?: string;
  readonly epochs?: string;
  readonly seed?: string;
  readonly json?: boolean;
  readonly help?: boolean;
} {
  const options = {
    data: { type: "string" },
    device: { type: "string" },
    epochs: { type: "string" },
    seed: { type: "string" },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  } as const;
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    // Node's sentence names the argument; what may follow it is about `--`, which no option here needs.
    const [first = "bad arguments"] = error instanceof Error ? error.message.split(/\. |\n/) : [];
    throw new UsageError(`${first}; --help tells the options`);
  }
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least) return value;
  throw new UsageError(`${name} ${text}: it must be a whole number of at least ${least}`);
}
