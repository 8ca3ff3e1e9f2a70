/**
 * Makes a context, proves its capabilities, and writes both as one line of JSON. Meant to be run as a child process,
 * which a crashing driver may take with it; see doctor.ts and setup/gl.mjs.
 */
import { platform } from "../src/platform/node.ts";
import type { Capabilities } from "../src/runtime/capabilities.ts";
import { probeCapabilities } from "../src/runtime/capabilities.ts";

export type ProbeResult =
  | { readonly ok: true; readonly how: string; readonly ms: number; readonly capabilities: Capabilities }
  | { readonly ok: false; readonly reason: string; readonly fix: string };

function probe(): ProbeResult {
  const start = performance.now();
  const context = platform.createContext();
  if (!context.ok) return context;
  const capabilities = probeCapabilities(context.gl);
  return { ok: true, how: context.how, ms: Math.round(performance.now() - start), capabilities };
}

process.stdout.write(`${JSON.stringify(probe())}\n`);
