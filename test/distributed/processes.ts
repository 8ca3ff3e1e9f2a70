/** Programs of programs/ as processes, run from the sources; what they print, line by line. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { bundle, sourceAliases } from "../../tools/browser/bundle.mjs";

const repository = fileURLToPath(new URL("../../", import.meta.url));

export type Line = Readonly<Record<string, unknown>>;

export interface Program {
  readonly child: ChildProcess;
  readonly lines: readonly Line[];
  /** The next line for which `wanted` holds, of those to come or already there. Rejects when the program ends first. */
  line(wanted: (line: Line) => boolean): Promise<Line>;
  readonly ended: Promise<number | null>;
  kill(): void;
}

/** Where bundles and runs lie; inside the repository, so that packages are found. */
export class Workshop {
  readonly folder: string;
  readonly #programs: Program[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(names: readonly string[]): Promise<Workshop> {
    const parent = join(repository, ".texgrad");
    mkdirSync(parent, { recursive: true });
    const workshop = new Workshop(mkdtempSync(join(parent, "distributed-")));
    for (const name of names) {
      const text = await bundle({
        entryPoints: [join(repository, "test/distributed/programs", `${name}.ts`)],
        alias: sourceAliases(repository, "node"),
        platform: "node",
        target: "node20",
        external: ["ws", "gl"],
      });
      writeFileSync(join(workshop.folder, `${name}.mjs`), text);
    }
    return workshop;
  }

  start(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
    const child = spawn(process.execPath, [join(this.folder, `${name}.mjs`), ...args], {
      env: { ...process.env, TEXGRAD_DEVICE: "cpu", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const lines: Line[] = [];
    let errors = "";
    const waiting = new Set<() => void>();
    const look = (): void => waiting.forEach((f) => f());
    createInterface(child.stdout).on("line", (line) => {
      lines.push(JSON.parse(line) as Line);
      look();
    });
    child.stderr.on("data", (part: Buffer) => (errors += part.toString()));
    let code: number | null | undefined;
    const ended = new Promise<number | null>((resolve) => {
      child.on("close", (c) => {
        code = c;
        look();
        resolve(c);
      });
    });
    const line = (wanted: (line: Line) => boolean): Promise<Line> =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = lines.find(wanted);
          if (found === undefined && code === undefined) return;
          waiting.delete(check);
          if (found !== undefined) resolve(found);
          else reject(new Error(`${name} ended with ${code} and said no such line\n${errors.slice(-2000)}`));
        };
        waiting.add(check);
        check();
      });
    const program: Program = { child, lines, line, ended, kill: () => void child.kill("SIGKILL") };
    this.#programs.push(program);
    return program;
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    for (const p of this.#programs) p.kill();
    await Promise.all(this.#programs.map((p) => p.ended));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
