/**
 * The libraries texgrad is measured against: installed when they are first asked for, with no script of theirs run.
 */
import { join } from "node:path";
import { installPackages, packagesAreInstalled } from "../tools/setup/packages.mjs";

export function installPeers(root: string): void {
  const folder = join(root, "bench");
  if (packagesAreInstalled(folder)) return;
  console.log("bench: installing the peers: npm ci --ignore-scripts in bench/ (some 300 MB)");
  installPackages(folder);
}
