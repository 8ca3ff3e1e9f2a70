/**
 * `texgrad doctor [--json]`: what was found here, in words or as JSON. Exit code 0 with a context, 1 without.
 *
 * The context is made in a child process, so that a driver crash is a line of the report. Not here: any repair.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ProbeResult } from "./probe.ts";

export const usage = `texgrad doctor [--json]

  Tells what texgrad finds on this machine: Node, gl, the display, the driver, its limits, and capabilities proven by
  reading values back, every render target included.

  --json   one JSON object instead of text`;

interface Report {
  readonly texgrad: string;
  readonly node: string;
  readonly platform: string;
  readonly gl: { readonly version: string; readonly isBuilt: boolean; readonly setUpFlags: string | null } | null;
  readonly display: string | null;
  readonly xvfb: string | null;
  readonly probe: ProbeResult;
  readonly remarks: readonly string[];
}

export function run(args: readonly string[]): number {
  const unknown = args.find((arg) => arg !== "--json");
  if (unknown !== undefined) {
    console.error(`doctor: unknown option ${unknown}\n\n${usage}`);
    return 2;
  }
  const report = examine();
  console.log(args.includes("--json") ? JSON.stringify(report, null, 2) : describe(report));
  return report.probe.ok ? 0 : 1;
}

function examine(): Report {
  const probe = runProbe();
  const gl = findGl();
  return {
    texgrad: ownVersion(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    gl,
    display: process.env["DISPLAY"] ?? null,
    xvfb: findOnPath("Xvfb"),
    probe,
    remarks: probe.ok ? remarksOn(probe, gl) : [],
  };
}

function runProbe(): ProbeResult {
  const script = fileURLToPath(new URL("./probe.js", import.meta.url));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script], {
    encoding: "utf8",
    timeout: 60_000,
  });
  try {
    // The child is our own probe.ts, which writes nothing else.
    return JSON.parse(stdout) as ProbeResult;
  } catch {
    const words = stderr.trim().split("\n").at(-1) ?? "";
    const end = signal !== null ? `signal ${signal}` : `exit code ${status}`;
    const reason = `the graphics driver ended the probing process with ${end}${words ? `: ${words}` : ""}`;
    return { ok: false, reason, fix: 'another driver or display, or device "cpu" (TEXGRAD_DEVICE=cpu)' };
  }
}

function ownVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function findGl(): Report["gl"] {
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    let manifest: string;
    try {
      manifest = createRequire(from).resolve("gl/package.json");
    } catch {
      continue;
    }
    const build = join(dirname(manifest), "build");
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
    return { version, isBuilt: existsSync(join(build, "Release/webgl.node")), setUpFlags: readFlags(build) };
  }
  return null;
}

/** The flags of the repository's own set-up, which leaves a stamp; gl built by a plain npm install has none. */
function readFlags(build: string): string | null {
  const file = join(build, "texgrad-stamp.json");
  if (!existsSync(file)) return null;
  const stamp = JSON.parse(readFileSync(file, "utf8")) as { build: { flags: Record<string, string> } };
  return Object.entries(stamp.build.flags)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

function findOnPath(program: string): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null;
}

function remarksOn({ capabilities }: Extract<ProbeResult, { ok: true }>, gl: Report["gl"]): string[] {
  const remarks: string[] = [];
  if (capabilities.maxDrawBuffers < 4) {
    const cure = gl === null ? "" : "; gl built with CXXFLAGS=-O0 npm rebuild gl --build-from-source has them";
    remarks.push(
      `only ${capabilities.maxDrawBuffers} render target works: contractions run at half speed or less${cure}`,
    );
  }
  if (!capabilities.floatRender) remarks.push("float render targets do not work: this context cannot be used");
  if (!capabilities.intTextures) remarks.push("integer textures do not work: int32 and uint32 tensors need device cpu");
  return remarks;
}

function describe(report: Report): string {
  const { gl, probe } = report;
  const built = gl === null ? "not installed" : `${gl.version}, ${gl.isBuilt ? "built" : "not built"}`;
  const flags = gl?.setUpFlags ? ` with ${gl.setUpFlags}` : "";
  const rows: [string, string][] = [
    ["texgrad", report.texgrad],
    ["node", `${report.node}, ${report.platform}`],
    ["gl", built + flags],
    ["display", report.display ?? "none"],
    ["Xvfb", report.xvfb ?? "not found"],
  ];
  if (probe.ok) {
    rows.push(["context", `${probe.how}, ${probe.ms} ms with all probes`]);
    for (const [name, value] of Object.entries(probe.capabilities)) rows.push([name, say(value)]);
  } else {
    rows.push(["context", `none: ${probe.reason}`], ["fix", probe.fix]);
  }
  for (const remark of report.remarks) rows.push(["note", remark]);
  return rows.map(([name, value]) => `${name.padEnd(26)}${value}`).join("\n");
}

const say = (value: string | number | boolean): string =>
  typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
