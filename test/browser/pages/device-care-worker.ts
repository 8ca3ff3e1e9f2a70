/** A dedicated worker that trains as the page does, on an OffscreenCanvas of its own. Its name says how it is disturbed. */
import { train, type Disturbance } from "./device-care.ts";

train(self.name as Disturbance).then(
  (outcome) => postMessage(outcome),
  (error: unknown) => postMessage(String(error)),
);
