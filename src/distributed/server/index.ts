/** `texgrad/distributed/server`: the training server, for Node. */
export { createServer, type ServerOptions, type TrainingServer } from "./server.ts";
export { createToken, type Claims } from "./token.ts";
export type { RunStatus } from "./metrics-text.ts";
export type { RoomOptions } from "../room.ts";
export type { JoinArguments } from "./join.ts";
