/**
 * `texgrad serve`: a training server for this machine or, with a secret, for others.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { ServerOptions } from "../src/distributed/server/index.ts";
import { TexgradError } from "../src/index.ts";

export const usage = `texgrad serve [options]: a server that workers train through

  --port N             default 8740; 0 takes any free one
  --host ADDRESS       default 127.0.0.1: this machine only; 0.0.0.0 for all networks, which takes a secret
  --secret-file FILE   signs tokens; or TEXGRAD_SECRET. Without one only this machine is let in
  --token RUN          print a token for RUN, good for --hours (default 24), and leave
  --folder DIR         keep runs here: a restarted server goes on with them
  --save-every N       a snapshot every N steps (default 100, with --folder)
  --origin URL         pages of this origin may connect; may be given several times
  --min-workers N      the first step waits for so many workers (default 1)
  --global-batch N     samples of a step over all workers (default: each takes its own batch)
  --quorum PART        of the workers, that must be done before late ones are left out (default 0.75)
  --page FILE          a module for browsers with train({ url, token, report }): /join runs it
  --quiet              no log

Watch http://HOST:PORT/ in a browser, \`texgrad top\` in a terminal, /metrics with Prometheus.`;

/** The number an option gives, or undefined. Throws TexgradError where it is none or below `least`. */
function numberOf(name: string, text: string | undefined, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= least) return value;
  throw new TexgradError(`--${name} ${text}: takes a number from ${least}`);
}

const wholeOf = (name: string, text: string | undefined, least: number): number | undefined => {
  const value = numberOf(name, text, least);
  if (value === undefined || Number.isInteger(value)) return value;
  throw new TexgradError(`--${name} ${text}: takes a whole number`);
};

function secretOf(file: string | undefined): string | undefined {
  const given = process.env["TEXGRAD_SECRET"];
  if (file === undefined) return given === "" ? undefined : given;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new TexgradError(`--secret-file ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const options = {
  port: { type: "string" },
  host: { type: "string" },
  "secret-file": { type: "string" },
  token: { type: "string" },
  hours: { type: "string" },
  folder: { type: "string" },
  "save-every": { type: "string" },
  origin: { type: "string", multiple: true },
  "min-workers": { type: "string" },
  "global-batch": { type: "string" },
  quorum: { type: "string" },
  page: { type: "string" },
  quiet: { type: "boolean" },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  try {
    return await serve(args);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(`texgrad serve: ${error.message}`);
    return 1;
  }
}

async function serve(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options });
  const secret = secretOf(values["secret-file"]);
  const host = values.host ?? "127.0.0.1";
  if (secret === undefined && !["127.0.0.1", "::1", "localhost"].includes(host)) {
    throw new TexgradError(
      `--host ${host}: takes a secret; \`openssl rand -hex 32 > secret\` and --secret-file secret`,
    );
  }
  const minWorkers = wholeOf("min-workers", values["min-workers"], 1);
  const globalBatch = wholeOf("global-batch", values["global-batch"], 1);
  const quorum = numberOf("quorum", values.quorum, 0);
  const saveEvery = wholeOf("save-every", values["save-every"], 1) ?? 100;
  const given: ServerOptions = {
    host,
    port: wholeOf("port", values.port, 0) ?? 8740,
    room: {
      ...(minWorkers === undefined ? {} : { minWorkers }),
      ...(globalBatch === undefined ? {} : { globalBatch }),
      ...(quorum === undefined ? {} : { quorum }),
      ...(values.folder === undefined ? {} : { saveEvery }),
    },
    ...(secret === undefined ? {} : { secret }),
    ...(values.folder === undefined ? {} : { folder: values.folder }),
    ...(values.origin === undefined ? {} : { origins: values.origin }),
    ...(values.page === undefined ? {} : { page: readFileSync(values.page, "utf8") }),
    ...(values.quiet === true ? {} : { log: (line) => console.log(line) }),
  };
  // Loaded here: other commands need no server.
  const { createServer, createToken } = await import("../src/distributed/server/index.ts");
  if (values.token !== undefined) {
    if (secret === undefined) throw new TexgradError("--token: takes a secret to sign with");
    const hours = numberOf("hours", values.hours, 0) ?? 24;
    console.log(createToken(secret, { run: values.token, seconds: Math.round(hours * 3600) }));
    return 0;
  }
  const server = await createServer(given);
  const ask = secret === undefined ? "" : `, with a token: texgrad serve --token default`;
  console.error(`texgrad: workers connect to ${server.url()}${ask}\ntexgrad: watch http://${host}:${server.port}/`);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  await server.close();
  return 0;
}
