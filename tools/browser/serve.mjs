/**
 * A server of static files and texts on 127.0.0.1, for pages that tests and measurements open.
 */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

/** @type {Readonly<Record<string, string>>} */
const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".map": "application/json",
  ".wasm": "application/wasm",
};

/**
 * @typedef {object} Site
 * @property {string} origin http://127.0.0.1:port, no slash at the end.
 * @property {Map<string, string>} texts Text to answer with, by path from "/" on; goes before the files.
 * @property {() => Promise<void>} close
 */

/**
 * Serves `texts`, then files of the folder where one is given. Nothing else can be reached through it.
 *
 * @param {string} [folder]
 * @param {Readonly<Record<string, string>>} [headers] Sent with every answer.
 * @returns {Promise<Site>}
 */
export async function serve(folder, headers = {}) {
  /** @type {Map<string, string>} */
  const texts = new Map();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const type = types[extname(path)] ?? "application/octet-stream";
    const answer = (/** @type {string | Buffer} */ body) =>
      void response.writeHead(200, { "content-type": type, ...headers }).end(body);
    const text = texts.get(path);
    if (text !== undefined) answer(text);
    else if (folder === undefined) response.writeHead(404).end();
    else readFile(join(folder, normalize(path))).then(answer, () => response.writeHead(404).end());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  // A server that listens on TCP has an address of this form.
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { origin: `http://127.0.0.1:${port}`, texts, close: () => closed(server) };
}

/** @param {import("node:http").Server} server */
function closed(server) {
  server.closeAllConnections();
  return new Promise((resolve, reject) =>
    server.close((error) => (error === undefined ? resolve(undefined) : reject(error))),
  );
}
