/** A module worker that computes on the device it gets. */
import { defaultDevice } from "./reading.ts";

defaultDevice().then(
  (answer) => postMessage(answer),
  (error: unknown) => postMessage(String(error)),
);
