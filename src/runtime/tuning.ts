/**
 * A device's tuning as a value: what was measured and chosen, as JSON, and where it is kept. It belongs to one renderer
 * and one version; another's is no use and is not taken.
 */
import { openStorage } from "#platform";
import { DeviceError, FormatError, TexgradError } from "../ir/errors.ts";
import type { WebglDevice } from "./device.ts";
import { choose, type Comparison, type Settings } from "./tune.ts";
import { candidatesOf, TuneCases } from "./tune-cases.ts";
import { version } from "./version.ts";

/** Plain JSON. */
export interface Tuning {
  /** Version of texgrad that measured. */
  readonly texgrad: string;
  /** Who drew. */
  readonly renderer: string;
  readonly settings: Settings;
  /** What was tried, in order. */
  readonly comparisons: readonly Comparison[];
}

export interface TuneOptions {
  /** Milliseconds to measure for, 5000 unless told. Compiling what is being measured may take it past that. */
  readonly budgetMs?: number;
  /**
   * Where the tuning is kept: in Node a folder, unless told `texgrad` in the user's cache folder (XDG_CACHE_HOME or
   * ~/.cache); in browsers the name of an IndexedDB database, unless told "texgrad". false: nowhere.
   */
  readonly store?: string | false;
}

/** Measures, applies and keeps. */
export async function tuneDevice(device: WebglDevice, { budgetMs = 5000, store }: TuneOptions = {}): Promise<Tuning> {
  if (!(budgetMs > 0)) throw new TexgradError(`tune: budgetMs is ${budgetMs}; it is milliseconds, more than 0`);
  const cases = new TuneCases(device);
  try {
    const { fetch, tile, unroll, fragments } = device.profile;
    const chosen = await choose({ fetch, tile, unroll, fragments }, candidatesOf(device), cases, budgetMs);
    const tuning: Tuning = { texgrad: version, renderer: device.capabilities.renderer, ...chosen };
    applyTo(device, tuning);
    if (store !== false) await openStorage(store).write(nameOf(device), `${JSON.stringify(tuning, null, 1)}\n`);
    return tuning;
  } finally {
    cases.dispose();
  }
}

/** Applies what was kept for this renderer by this version; null if nothing was. Throws FormatError if it is spoilt. */
export async function loadTuningOf(device: WebglDevice, store?: string): Promise<Tuning | null> {
  const text = await openStorage(store).read(nameOf(device));
  if (text === null) return null;
  let tuning: unknown;
  try {
    tuning = JSON.parse(text);
  } catch (error) {
    throw new FormatError(`loadTuning: what is kept as ${nameOf(device)} is no JSON; call tune() again`, {
      cause: error,
    });
  }
  checkTuning("loadTuning", tuning);
  if (tuning.texgrad !== version || tuning.renderer !== device.capabilities.renderer) return null;
  applyTo(device, tuning);
  return tuning;
}

/** Throws FormatError for what is no tuning, DeviceError for another device's. */
export function applyTo(device: WebglDevice, tuning: Tuning): void {
  checkTuning("applyTuning", tuning);
  const { capabilities, profile } = device;
  const { texgrad, renderer, settings } = tuning;
  if (renderer !== capabilities.renderer) {
    throw new DeviceError(`applyTuning: it is for ${renderer}, here draws ${capabilities.renderer}; call tune()`);
  }
  if (texgrad !== version) {
    throw new DeviceError(`applyTuning: it is of texgrad ${texgrad}, this is ${version}; call tune()`);
  }
  const { fetch, tile, unroll, fragments } = settings;
  if (fetch === "textureLod" && !capabilities.exactSampling) {
    throw new DeviceError(
      "applyTuning: it samples texels (textureLod), which is not exact on this device; call tune()",
    );
  }
  device.profile = { ...profile, fetch, tile, unroll, fragments };
}

const nameOf = ({ capabilities }: WebglDevice): string => `tuning ${capabilities.renderer}`;

function checkTuning(op: string, tuning: unknown): asserts tuning is Tuning {
  const { texgrad, renderer, settings, comparisons } = (tuning ?? {}) as Record<string, unknown>;
  const { fetch, tile, unroll, fragments } = (settings ?? {}) as Record<string, unknown>;
  const isTuning =
    typeof texgrad === "string" &&
    typeof renderer === "string" &&
    Array.isArray(comparisons) &&
    (fetch === "texelFetch" || fetch === "textureLod") &&
    [1, 2, 4, 8].includes(tile as number) &&
    (unroll === 4 || unroll === 8) &&
    Number.isInteger(fragments) &&
    (fragments as number) >= 0;
  if (!isTuning)
    throw new FormatError(`${op}: this is no tuning; it takes what tune() gave, or JSON.parse of its JSON`);
}
