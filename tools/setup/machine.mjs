/**
 * What set-up needs of the machine: programs on PATH and Debian packages. Not here: anything inside node_modules.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Full path of the first of these programs on PATH, or undefined. */
export function findProgram(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? "").split(delimiter)) {
      const path = join(folder, process.platform === "win32" ? `${name}.exe` : name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not in this folder.
      }
    }
  }
  return undefined;
}

/** What building gl, drawing without a window and the browser tests need: how it is found and who packages it. */
const requirements = [
  { name: "g++", for: "gl", find: () => findProgram("g++", "c++", "clang++"), debian: ["build-essential"] },
  { name: "make", for: "gl", find: () => findProgram("make", "gmake"), debian: ["build-essential"] },
  { name: "python3", for: "gl", find: () => findProgram("python3", "python"), debian: ["python3"] },
  { name: "Xvfb", for: "display", find: () => findProgram("Xvfb"), debian: ["xvfb"] },
  { name: "chromium", for: "browser", find: findChromium, debian: ["chromium"] },
];

/** Libraries gl loads at run time; they have no program to look for, so the package list is asked. */
const libraries = ["libgl1", "libgl1-mesa-dri", "libx11-6", "libxext6", "libxcb1", "libdrm2"];

/** The browser of the browser tests; CHROMIUM names another one. */
export function findChromium() {
  return process.env.CHROMIUM ?? findProgram("chromium", "chromium-browser", "google-chrome", "google-chrome-stable");
}

const isLinux = process.platform === "linux";
const needsXvfb = isLinux && !process.env.DISPLAY;

/** The requirements that are not met, given what there is left to do ("gl" only where it has to be built). */
export function missingPrograms({ glIsBuilt, vulkanIsLinked }) {
  return requirements.filter((requirement) => {
    if (requirement.for === "gl" && (glIsBuilt || process.platform === "win32")) return false;
    if (requirement.for === "display" && (!needsXvfb || vulkanIsLinked)) return false;
    return requirement.find() === undefined;
  });
}

/**
 * Installs what is missing where that is allowed: Debian or Ubuntu, as root or with sudo that asks nothing, and
 * TEXGRAD_NO_APT unset. Chromium goes by itself: where it has no package, the rest must not fail with it.
 * `triedFile` remembers what could not be had, so that it is not asked for at every start; deleting it tries again.
 */
export function installSystemPackages(missing, triedFile, say) {
  const wanted = [...missing.flatMap(({ debian }) => debian), ...(isLinux ? libraries : [])];
  const apt = findProgram("apt-get");
  if (apt === undefined || process.env.TEXGRAD_NO_APT) return;
  const tried = readList(triedFile);
  const packages = absentPackages([...new Set(wanted)]).filter((name) => !tried.includes(name));
  const prefix = administratorPrefix();
  if (packages.length === 0 || prefix === undefined) return;
  const run = (args) =>
    spawnSync(prefix[0] ?? apt, [...prefix.slice(1), ...(prefix.length ? [apt] : []), ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "ignore", "pipe"],
      encoding: "utf8",
    });
  run(["update", "-qq"]);
  for (const group of [
    packages.filter((name) => name !== "chromium"),
    packages.filter((name) => name === "chromium"),
  ]) {
    if (group.length === 0) continue;
    say(`installing ${group.join(" ")}`);
    const { status, stderr } = run([
      "-o",
      "DPkg::Lock::Timeout=600",
      "install",
      "-y",
      "-qq",
      "--no-install-recommends",
      ...group,
    ]);
    if (status !== 0) say(`apt-get failed: ${stderr.trim().split("\n").at(-1)}`);
  }
  writeFileSync(triedFile, JSON.stringify([...tried, ...packages]));
}

function readList(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return [];
  }
}

/** Those of the packages that dpkg does not know as installed. */
function absentPackages(packages) {
  const { stdout } = spawnSync("dpkg-query", ["-W", "-f=${Package} ${db:Status-Status}\n", ...packages], {
    encoding: "utf8",
  });
  const installed = new Set(
    (stdout ?? "")
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.split(" ")[0]),
  );
  return packages.filter((name) => !installed.has(name));
}

/** What to put before apt-get: nothing as root, sudo where it asks nothing, undefined where we may not. */
function administratorPrefix() {
  if (process.getuid?.() === 0) return [];
  const sudo = findProgram("sudo");
  return sudo !== undefined && spawnSync(sudo, ["-n", "true"]).status === 0 ? [sudo, "-n"] : undefined;
}

/** One line: what is missing, what for, and the command that gets it. */
export function describeMissing(missing) {
  const uses = { gl: "to build gl", display: "to draw without a window", browser: "for the browser tests" };
  const parts = Object.entries(uses).flatMap(([use, purpose]) => {
    const names = missing.filter((requirement) => requirement.for === use).map(({ name }) => name);
    return names.length ? [`${names.join(", ")} (${purpose})`] : [];
  });
  return `missing ${parts.join(", ")}. Get them: ${installCommand(missing)}`;
}

function installCommand(missing) {
  if (process.platform === "darwin")
    return "xcode-select --install; for the browser tests install Chrome or set CHROMIUM";
  const packages = [...new Set([...missing.flatMap(({ debian }) => debian), ...libraries])];
  return `sudo apt-get install -y ${packages.join(" ")} (and have them on PATH)`;
}
