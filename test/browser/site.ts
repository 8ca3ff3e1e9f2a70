/**
 * What pages load: bundles for browsers, and a server of static files on 127.0.0.1 that answers for them.
 *
 * Not here: the browser (chromium.ts), what runs in the page (pages/).
 */
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions, type Plugin } from "esbuild";

export const repository = fileURLToPath(new URL("../../", import.meta.url));

const source = (path: string): string => join(repository, "src", path);

/** The library's names, led to the sources: pages and the tests in Node then compare the same code. */
const sources = {
  "#platform": source("platform/browser.ts"),
  texgrad: source("index.ts"),
  "texgrad/nn": source("nn/index.ts"),
  "texgrad/optim": source("optim/index.ts"),
  "texgrad/data": source("data/index.ts"),
  "texgrad/reference": source("reference.ts"),
};

/** As a user's bundler would: for browsers, tree-shaken, one file. */
async function bundle(options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
    ...options,
    write: false,
  });
  return outputFiles[0]!.text;
}

/** In pages, test/fixtures/load.ts reads its JSON files from the bundle. */
const fixtures: Plugin = {
  name: "fixtures",
  setup(build) {
    const folder = join(repository, "test/fixtures");
    const names = ["ops.json"];
    build.onResolve({ filter: /^node:fs$/ }, () => ({ path: "fs", namespace: "fixtures" }));
    build.onLoad({ filter: /.*/, namespace: "fixtures" }, () => ({
      contents: `${names.map((name, i) => `import file${i} from "./${name}";`).join("\n")}
const files = { ${names.map((name, i) => `"${name}": file${i}`).join(", ")} };
export const readFileSync = ({ pathname }) => files[pathname.slice(pathname.lastIndexOf("/") + 1)];`,
      resolveDir: folder,
    }));
  },
};

/** One of pages/*.ts with the library's sources. */
export const bundlePage = (name: string): Promise<string> =>
  bundle({
    entryPoints: [join(repository, "test/browser/pages", `${name}.ts`)],
    alias: sources,
    plugins: [fixtures],
    loader: { ".json": "text" },
    sourcemap: "inline",
  });

/**
 * A program that imports the built package by its name, found through package.json's exports as in a user's project:
 * the repository's own name leads to its dist. Not by tsconfig's paths, which lead our own tools to the sources.
 */
export const bundleProgram = (contents: string, options: BuildOptions = {}): Promise<string> =>
  bundle({ stdin: { contents, loader: "ts", resolveDir: repository }, tsconfigRaw: {}, ...options });

export interface Site {
  /** http://127.0.0.1:port, no slash at the end. */
  readonly origin: string;
  /** Text to answer with, by path from "/" on; goes before the files. */
  readonly texts: Map<string, string>;
  close(): Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".map": "application/json",
};

/** Serves `texts`, then files of the folder where one is given. Nothing else can be reached through it. */
export async function serve(folder?: string): Promise<Site> {
  const texts = new Map<string, string>();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const type = types[extname(path)] ?? "application/octet-stream";
    const answer = (body: string | Buffer): void => void response.writeHead(200, { "content-type": type }).end(body);
    const text = texts.get(path);
    if (text !== undefined) answer(text);
    else if (folder === undefined) response.writeHead(404).end();
    else readFile(join(folder, normalize(path))).then(answer, () => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A server that listens on TCP has an address of this form.
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, texts, close: () => closed(server) };
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve, reject) => server.close((error) => (error === undefined ? resolve() : reject(error))));
}
