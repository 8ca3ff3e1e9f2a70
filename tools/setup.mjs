/**
 * Makes a fresh clone ready: npm packages, a gl whose render targets all work, Debian packages where allowed.
 *
 * Needs nothing but Node, npm and git's checkout. Run first by `npm start` and `npm test`; when there is nothing to do
 * it reads a few files and returns. By hand: `npm run setup`.
 */
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildGl, glIsBuilt, linkVulkan, probe, readStamp, vulkanIsLinked, writeStamp } from "./setup/gl.mjs";
import { withLock } from "./setup/lock.mjs";
import { describeMissing, installSystemPackages, missingPrograms } from "./setup/machine.mjs";
import { installPackages, lockfileHash, packagesAreInstalled } from "./setup/packages.mjs";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const triedPackages = ".texgrad/tried-packages.json";

const say = (text) => process.stderr.write(`set-up: ${text}\n`);

/**
 * Sets up what is not. Returns the one line that says what is missing and how to get it, or undefined when all is
 * there. Throws where nothing can go on: no packages.
 */
export async function setUp() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Error(`Node ${process.versions.node} is too old: texgrad needs 20.19 or later`);
  }
  if (isReady()) return undefined;
  mkdirSync(join(root, ".texgrad"), { recursive: true });
  return withLock(join(root, ".texgrad/setup.lock"), say, doSetUp);
}

/** Everything in place, by stamp: no process is started to find out. */
function isReady() {
  return isProven() && missing().length === 0;
}

/** Whether the probe of this gl, with these packages, found a context. */
function isProven() {
  const stamp = readStamp(root);
  return glIsPresent() && stamp.lockfile === lockfileHash(root) && stamp.probe.ok;
}

const missing = () => missingPrograms({ glIsBuilt: glIsPresent(), vulkanIsLinked: vulkanIsLinked(root) });
const glIsPresent = () => packagesAreInstalled(root) && glIsBuilt(root);

function doSetUp() {
  if (isReady()) return undefined;
  if (!packagesAreInstalled(root)) {
    say("npm ci --ignore-scripts");
    installPackages(root);
  }
  if (missing().length > 0 || !readStamp(root)?.probe.ok) {
    installSystemPackages(missing(), join(root, triedPackages), say);
  }

  const lacking = missing();
  if (!glIsPresent()) {
    if (lacking.some((requirement) => requirement.for === "gl")) return describeMissing(lacking);
    say("building gl with CXXFLAGS=-O0 (some 10 s)");
    const failure = buildGl(root);
    if (failure !== undefined) return failure;
  }
  if (!isProven()) {
    linkVulkan(root);
    const { probe: found } = writeStamp(root, probe(root));
    if (found.ok) say(`ready: ${found.how}, ${found.capabilities.maxDrawBuffers} render targets`);
  }
  const stillLacking = missing();
  if (stillLacking.length > 0) return describeMissing(stillLacking);
  const { probe: found } = readStamp(root);
  return found.ok ? undefined : `no WebGL2 context: ${found.reason}. Fix: ${found.fix}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    rmSync(join(root, triedPackages), { force: true });
    const line = await setUp();
    if (line !== undefined) {
      say(line);
      process.exitCode = 1;
    }
  } catch (error) {
    say(error.message);
    process.exitCode = 1;
  }
}
