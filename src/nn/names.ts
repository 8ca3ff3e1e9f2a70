/**
 * Names in state dicts. A property is spelled in camelCase here and in snake_case by PyTorch; state dicts carry
 * PyTorch's spelling, so that weights move over in both directions.
 */

/** `runningMean` -> `running_mean`, `fc1` -> `fc1`, `qkvProj` -> `qkv_proj`; a name without capitals stays as it is. */
export const torchName = (property: string): string =>
  property.replace(
    /([a-z0-9])([A-Z]+)/g,
    (_, before: string, capitals: string) => `${before}_${capitals.toLowerCase()}`,
  );

export const join = (prefix: string, name: string): string => (prefix === "" ? name : `${prefix}.${name}`);
