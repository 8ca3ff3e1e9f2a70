/** The version of this package, for files that one version writes and another may read; package.json has the same. */
export const version = "0.1.0";
