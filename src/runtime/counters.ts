/** What a device has done since it was made. Tests and the dump read it; nothing decides by it. */
export interface Counters {
  /** Plans compiled. */
  plans: number;
  /** Programs compiled, cache hits not counted. */
  programs: number;
  /** Programs deleted because more were kept than the device's limit. */
  evictedPrograms: number;
  draws: number;
  uploads: number;
  bytesSent: number;
  readbacks: number;
  bytesRead: number;
}

export const newCounters = (): Counters => ({
  plans: 0,
  programs: 0,
  evictedPrograms: 0,
  draws: 0,
  uploads: 0,
  bytesSent: 0,
  readbacks: 0,
  bytesRead: 0,
});
