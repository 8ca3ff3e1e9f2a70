/** `texgrad/distributed`: data-parallel training, in the words of torch.distributed. */
export { DistributedDataParallel, type OuterOptions, type ParallelOptions } from "./parallel.ts";
export { DistributedSampler, type SamplerOptions } from "./sampler.ts";
export {
  allReduce,
  barrier,
  broadcast,
  destroyProcessGroup,
  getRank,
  getWorldSize,
  initProcessGroup,
  ProcessGroup,
  type GroupOptions,
} from "./group.ts";
export type { Outcome } from "./participant.ts";
export type { CodecName } from "./wire.ts";
