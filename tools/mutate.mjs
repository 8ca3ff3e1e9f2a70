/**
 * `npm run mutate`: plants one fault at a time in each definition and each law and asks the suites, which must notice.
 *
 * First every test runs without a fault and tells which properties of which definitions it reads. Then each fault is
 * planted in a running process and the tests that read what it changes are asked, fastest first, until one fails.
 * Faults are made in test/mutate/faults.ts; those that survive for a reason are in test/mutate/survivors.json. No file
 * is ever changed.
 *
 *   --sample N    only N faults, drawn by --seed S (default 1)
 *   --only TEXT   only faults whose name contains TEXT
 *   --jobs N      processes (default: 2, or 1 on one core)
 *
 * The last line is `N passed, N failed`. A fault passes when it is noticed or its survival is explained. Failures: a
 * survivor without a reason, a reason for a fault that is noticed or does not exist, a test that fails without a fault.
 */
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { root, setUp } from "./setup.mjs";

/** The suites that must notice. What stands above them (training, random graphs) would notice more. */
const suites = ["test/ir", "test/autodiff", "test/ops", "test/passes", "test/golden", "test/optim"];
/**
 * Not these: what they take from the engine, which all files share here, depends on what files before them left in it.
 * They ask about compositions, whose ops others ask about.
 */
const apart = ["test/ops/function-derivatives.test.ts"];
/** A fault that keeps a test busy for longer, a loop of laws for instance, is noticed. Milliseconds. */
const PATIENCE = 60_000;

/** Reports and logs; the bundle is this run's own, so that two runs do not meet. */
const work = join(root, ".texgrad/mutate");
mkdirSync(work, { recursive: true });
const own = mkdtempSync(join(work, "run-"));
const bundle = join(own, "suites.mjs");
const log = join(work, "worker.log");
process.on("exit", () => rmSync(own, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

const { values: options } = parseArgs({
  options: {
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    jobs: { type: "string", default: String(Math.min(2, availableParallelism())) },
  },
});

const jobs = Number(options.jobs);

// The bundle: suites, collected instead of run, and the worker that runs them.

function testFiles() {
  return suites
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, file)))
    .filter((file) => file.endsWith(".test.ts") && !apart.includes(file))
    .sort();
}

/**
 * Tests import the collector as vitest, and find files of theirs where they are. The table of interned literals can be
 * emptied, see worker.ts.
 */
const standIn = {
  name: "mutate",
  setup(on) {
    const collector = join(root, "test/mutate/collector.ts");
    on.onResolve({ filter: /^vitest$/ }, ({ importer }) =>
      importer === collector ? { path: "vitest", external: true } : { path: collector },
    );
    // What tests share is made for each test file anew, as in a process of its own: contexts, seeds, counters.
    on.onResolve({ filter: /^\.\.?\/.*\.ts$/ }, ({ path, importer, pluginData }) => {
      const found = resolve(dirname(importer), path);
      const file = importer.endsWith(".test.ts") ? importer : pluginData?.file;
      if (file === undefined || !relative(join(root, "test"), found).match(/^\w/)) return undefined;
      return { path: found, suffix: `?${relative(root, file)}`, pluginData: { file } };
    });
    on.onLoad({ filter: /\.ts$/ }, ({ path, pluginData }) => {
      const text = readFileSync(path, "utf8").replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href));
      const contents = path === join(root, "src/ir/node.ts") ? withForgetRoots(text) : text;
      return { contents, loader: "ts", resolveDir: dirname(path), pluginData };
    });
  },
};

/** Nodes that a fault has spoilt must not be met by the next: the table of those without inputs is made anew. */
function withForgetRoots(text) {
  const declared = "const roots = new InternTable();";
  if (!text.includes(declared)) throw new Error(`src/ir/node.ts: no ${declared}`);
  return `${text.replace(declared, declared.replace("const", "let"))}
export const forgetRoots = () => void (roots = new InternTable());`;
}

async function makeBundle(files) {
  // Imports run in order, so what a file collects comes between its name and the next.
  const entry = files.flatMap((file, i) => [`import "begin:${i}";`, `import ${JSON.stringify(join(root, file))};`]);
  const begin = {
    name: "begin",
    setup(on) {
      on.onResolve({ filter: /^begin:/ }, ({ path }) => ({ path, namespace: "begin" }));
      on.onLoad({ filter: /./, namespace: "begin" }, ({ path }) => ({
        contents: `import { beginFile } from ${JSON.stringify(join(root, "test/mutate/collector.ts"))};
beginFile(${JSON.stringify(files[Number(path.slice("begin:".length))])});`,
        resolveDir: root,
      }));
    },
  };
  await build({
    stdin: { contents: [...entry, `import "./test/mutate/worker.ts";`].join("\n"), resolveDir: root },
    outfile: bundle,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
    // package.json says that importing a file for its effect alone is in vain; tests are such files.
    ignoreAnnotations: true,
    external: ["gl", "ws", "esbuild", "playwright-core", "typescript"],
    alias: { "#platform": join(root, "src/platform/node.ts"), ...entries() },
    plugins: [begin, standIn],
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
  });
}

/** texgrad and its subpaths are the sources, as in vitest.config.ts. */
function entries() {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.fromEntries(
    Object.entries(exports)
      .filter(([, to]) => typeof to === "object")
      .map(([name, { default: to }]) => [
        join("texgrad", name),
        join(root, to.replace("./dist/", "src/").replace(/\.js$/, ".ts")),
      ])
      .sort(([a], [b]) => b.length - a.length),
  );
}

// Workers.

class Worker {
  #child = null;

  start() {
    const out = openSync(log, "a");
    this.#child = fork(bundle, { cwd: root, stdio: ["ignore", out, out, "ipc"], env: { ...process.env, CI: "1" } });
    closeSync(out);
  }

  /** The answer, or { lost } with the reason where the process died or took too long. */
  async ask(request, patience) {
    if (this.#child === null) this.start();
    const child = this.#child;
    const { promise, resolve } = settled();
    const timer = setTimeout(() => resolve({ lost: `took over ${patience / 1000} s` }), patience);
    const onExit = (code, signal) => resolve({ lost: `the process ended (${signal ?? code})` });
    child.once("message", resolve);
    child.once("exit", onExit);
    child.send(request);
    const answer = await promise;
    clearTimeout(timer);
    child.off("message", resolve);
    child.off("exit", onExit);
    if (answer.lost !== undefined) this.stop();
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  stop() {
    this.#child?.kill("SIGKILL");
    this.#child = null;
  }
}

function settled() {
  let resolve;
  const promise = new Promise((r) => (resolve = r));
  return { promise, resolve };
}

/** Runs `f` over all items, `jobs` at a time, each job with a worker of its own. */
async function share(items, jobs, f) {
  const queue = [...items];
  const work = async () => {
    const worker = new Worker();
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await f(item, worker);
    worker.stop();
  };
  await Promise.all(Array.from({ length: jobs }, work));
}

// Which faults, and whom to ask.

/** A number in [0, 1) from text: the same draw on every machine. */
const draw = (text) => createHash("sha256").update(text).digest().readUInt32BE(0) / 2 ** 32;

function chosen(faults) {
  const named = options.only === undefined ? faults : faults.filter((f) => f.name.includes(options.only));
  if (options.sample === undefined) return named;
  const order = named.map((f) => ({ f, at: draw(`${options.seed} ${f.name}`) })).sort((a, b) => a.at - b.at);
  return order.slice(0, Number(options.sample)).map((e) => e.f);
}

/** What every test does without a fault; known already where nothing has changed since the last run. */
async function withoutFaults(files) {
  const key = createHash("sha256").update(readFileSync(bundle)).digest("hex");
  const kept = join(work, "baseline.json");
  if (existsSync(kept)) {
    const known = JSON.parse(readFileSync(kept, "utf8"));
    if (known.key === key) return known;
  }
  const all = { key, tests: [], hits: {} };
  await share(files, jobs, async (file, worker) => {
    const { result, lost } = await worker.ask({ ask: "baseline", file }, 900_000);
    if (lost !== undefined) throw new Error(`${file}, without a fault: ${lost}; see ${relative(root, log)}`);
    for (const t of result.tests) all.tests[t.index] = t;
    for (const [what, tests] of Object.entries(result.hits)) (all.hits[what] ??= []).push(...tests);
  });
  writeFileSync(kept, JSON.stringify(all));
  return all;
}

/** Tests that read what the fault changes and pass without it, those that name it first, then the fastest. */
function askedFor(fault, { tests, hits }) {
  const name = new RegExp(`\\b${fault.of.replace(/\W+/g, "\\W+")}\\b`);
  return (hits[`${fault.of} | ${fault.facet}`] ?? [])
    .filter((i) => tests[i].error === null)
    .map((i) => ({ i, cost: (tests[i].ms + tests[i].entry) * (name.test(tests[i].id) ? 0.2 : 1) }))
    .sort((a, b) => a.cost - b.cost)
    .map((e) => e.i);
}

// The report.

function table(faults, outcome) {
  const facets = [...new Set(faults.map((f) => f.facet))];
  const ops = [...new Set(faults.map((f) => f.of))];
  const width = Math.min(44, Math.max(...ops.map((e) => e.length)) + 2);
  const cell = (of, facet) => {
    const here = faults.filter((f) => f.of === of && f.facet === facet);
    if (here.length === 0) return "";
    const killed = here.filter((f) => outcome.get(f.name).killed).length;
    return killed === here.length ? String(killed) : `${killed}/${here.length}`;
  };
  const rows = ops.map((of) => [of, ...facets.map((facet) => cell(of, facet))]);
  const columns = facets.map((facet, i) => Math.max(facet.length, ...rows.map((r) => r[i + 1].length)) + 2);
  const print = ([of, ...cells]) =>
    `${of.slice(0, width - 2).padEnd(width)}${cells.map((c, i) => c.padStart(columns[i])).join("")}`.trimEnd();
  return [print(["", ...facets]), ...rows.map(print)].join("\n");
}

const missing = await setUp();
if (missing !== undefined) console.error(`set-up: ${missing}`);
writeFileSync(log, "");
const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(0);

const files = testFiles();
await makeBundle(files);
const first = new Worker();
const faults = chosen((await first.ask({ ask: "list" }, PATIENCE)).result);
const known = (await first.ask({ ask: "list" }, PATIENCE)).result.map((f) => f.name);
first.stop();
const baseline = await withoutFaults(files);
console.log(
  `${baseline.tests.length} tests of ${files.length} files, ${known.length} faults, ${faults.length} of them now (${seconds()} s)`,
);

const outcome = new Map();
/** Tests that look at what others did before them, and so can say nothing alone. */
const dependent = new Set();

await share(faults, jobs, async (fault, worker) => {
  // What a fault of lasting effect left behind must not meet the next one.
  const judging = fault.lasting ? new Worker() : worker;
  const start = performance.now();
  const verdict = await judge(fault, judging);
  if (fault.lasting) judging.stop();
  outcome.set(fault.name, { ...verdict, ms: Math.round(performance.now() - start) });
});

/**
 * Who noticed the fault, if anyone did. What faults before it left behind (plans, nodes a test keeps) may speak for it
 * or hide it, so a verdict counts where the test that noticed is content again without the fault, or when it was found
 * in a process that knew no other fault.
 */
async function judge(fault, worker) {
  for (let fresh = fault.lasting; ; fresh = true) {
    const tests = askedFor(fault, baseline).filter((i) => !dependent.has(i));
    const { result, lost: why } = await worker.ask({ ask: "fault", name: fault.name, tests }, PATIENCE);
    if (why !== undefined) return { killed: true, by: why };
    const by = result.by === null ? null : baseline.tests[result.by].id;
    if (by !== null && result.clean) return { killed: true, by, message: result.message };
    worker.stop();
    if (!fresh) continue;
    if (by === null) return { killed: false, asked: result.asked };
    const { result: error, lost: died } = await worker.ask({ ask: "alone", test: result.by }, PATIENCE);
    if (died === undefined && error === null) return { killed: true, by, message: result.message };
    dependent.add(result.by);
    console.log(`says nothing alone, not asked again: ${by}\n  ${died ?? error}`);
    worker.stop();
  }
}

const explained = JSON.parse(readFileSync(join(root, "test/mutate/survivors.json"), "utf8"));
const survivors = faults.filter((f) => !outcome.get(f.name).killed);
const unexplained = survivors.filter((f) => explained[f.name] === undefined);
const idle = Object.keys(explained).filter((name) => !known.includes(name) || outcome.get(name)?.killed === true);
const broken = baseline.tests.filter((t) => t.error !== null);
writeFileSync(join(work, "report.json"), JSON.stringify(Object.fromEntries(outcome), null, 1));

console.log(
  `\nFaults noticed, by what was wrong (killed, or killed/planted where some survived):\n\n${table(faults, outcome)}\n`,
);
for (const { id, error } of broken) console.log(`fails without a fault: ${id}\n  ${error}`);
for (const f of survivors) {
  const { asked } = outcome.get(f.name);
  console.log(`survived: ${f.name} (${asked} tests asked)\n  ${explained[f.name] ?? "UNEXPLAINED"}`);
}
for (const name of idle) console.log(`explained, but ${known.includes(name) ? "noticed" : "no such fault"}: ${name}`);
const killed = faults.length - survivors.length;
console.log(
  `${killed} killed, ${survivors.length} survived, ${survivors.length - unexplained.length} of them explained; ${seconds()} s`,
);
const failed = unexplained.length + idle.length + broken.length;
console.log(`${faults.length - unexplained.length} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
