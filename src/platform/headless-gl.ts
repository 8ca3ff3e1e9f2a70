/**
 * A WebGL2 context in Node, from the optional package `gl` (headless-gl 9).
 *
 * Routes, first that works: the display there is, an Xvfb of our own, ANGLE on Vulkan. When none does, the reason and
 * the fix are one line each. Not here: what the context can do; see runtime/capabilities.ts.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { WebGL2 } from "../runtime/gl-types.ts";
import type { ContextResult } from "./types.ts";
import { startOwnDisplay } from "./xvfb.ts";

interface DestroyExtension {
  destroy(): void;
}
type CreateGl = (width: number, height: number, options: { createWebGL2Context: true }) => WebGL2 | null;
type Loaded = { readonly createGl: CreateGl; readonly folder: string };
type Context = Extract<ContextResult, { ok: true }>;
type Failure = Extract<ContextResult, { ok: false }>;

const packages = "xvfb libgl1 libgl1-mesa-dri libx11-6 libxext6";
const install = `sudo apt-get install -y ${packages}`;

/** The route that worked. EGL keeps its connection for the life of the process, so later contexts take it as it is. */
let establishedRoute: string | undefined;

export function createHeadlessContext(): ContextResult {
  const loaded = loadGl();
  if ("reason" in loaded) return loaded;
  if (establishedRoute !== undefined) {
    return connect(loaded, establishedRoute) ?? failed("the driver gave no further context", "destroy unused contexts");
  }
  const tried: string[] = [];
  for (const route of needsDisplay ? [onDisplay, onOwnDisplay, onVulkan] : [onDesktop]) {
    const result = route(loaded);
    if (typeof result === "string") tried.push(result);
    else {
      establishedRoute = result.how;
      return result;
    }
  }
  return failed(tried.join("; "), needsDisplay ? install : "npx texgrad doctor");
}

const needsDisplay = process.platform !== "win32" && process.platform !== "darwin";

/** A context, or what stood in the way. */
type Route = (loaded: Loaded) => Context | string;

const onDesktop: Route = (loaded) => connect(loaded, process.platform) ?? "the graphics driver gave no WebGL2 context";

const onDisplay: Route = (loaded) => {
  const display = process.env["DISPLAY"];
  if (!display) return "there is no display";
  return connect(loaded, `display ${display}`) ?? `the driver gave no WebGL2 context on display ${display}`;
};

const onOwnDisplay: Route = (loaded) => {
  const display = startOwnDisplay();
  if (display === "not installed") return "Xvfb is not installed";
  if (display === "did not start") return "Xvfb did not start";
  const result = withEnv("DISPLAY", display.name, () => connect(loaded, `own Xvfb ${display.name}`));
  if (result === undefined) display.stop();
  return result ?? "the driver gave no WebGL2 context on an Xvfb of our own";
};

/** ANGLE looks for Vulkan's loader only beside its own library; set-up puts a link there, a library must not. */
const onVulkan: Route = (loaded) => {
  if (!existsSync(join(loaded.folder, "build/Release/libvulkan.so.1"))) return "Vulkan is not linked to gl";
  const result = withEnv("ANGLE_DEFAULT_PLATFORM", "vulkan", () => connect(loaded, "Vulkan, no display"));
  return result ?? "Vulkan gave no WebGL2 context";
};

function connect({ createGl }: Loaded, how: string): Context | undefined {
  const gl = createGl(1, 1, { createWebGL2Context: true });
  if (gl === null) return undefined;
  gl.getExtension("EXT_color_buffer_float");
  // The only extension of headless-gl whose type we need; `getExtension` answers unknown.
  const destroyer = gl.getExtension("STACKGL_destroy_context") as DestroyExtension | null;
  return { ok: true, gl, how, destroy: () => destroyer?.destroy() };
}

/** The variable is only needed while EGL connects; child processes must not inherit a display that dies with us. */
function withEnv<T>(name: string, value: string, body: () => T): T {
  const before = process.env[name];
  process.env[name] = value;
  try {
    return body();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}

/** Beside this library first, then where the program was started (a linked copy of the library sees only the latter). */
function loadGl(): Loaded | Failure {
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    const require = createRequire(from);
    const folder = packageFolder(require);
    if (folder === undefined) continue;
    if (!existsSync(join(folder, "build/Release/webgl.node"))) return notBuilt;
    try {
      // headless-gl declares DOM types; its context has the structure of WebGL2.
      return { createGl: require("gl") as CreateGl, folder };
    } catch (error) {
      const message = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
      return failed(`gl is built but does not load: ${message}`, install);
    }
  }
  return failed('the optional package "gl" is not installed', "npm install gl@9.0.0-rc.10");
}

function packageFolder(require: NodeJS.Require): string | undefined {
  try {
    return dirname(require.resolve("gl/package.json"));
  } catch {
    return undefined;
  }
}

const notBuilt = failed(
  "gl is installed but was not built (its install script did not run or failed)",
  "CXXFLAGS=-O0 npm rebuild gl (needs g++, make and python3; npm 12 first wants: npm install-scripts approve gl)",
);

function failed(reason: string, fix: string): Failure {
  return { ok: false, reason, fix };
}
