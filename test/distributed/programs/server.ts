/** A training server as a process of its own: PORT FOLDER OPTIONS. Says its port, then its log, a line each. */
import { createServer, type ServerOptions } from "texgrad/distributed/server";

const [port = "0", folder = "", options = "{}"] = process.argv.slice(2);
const server = await createServer({
  ...(JSON.parse(options) as ServerOptions),
  port: Number(port),
  ...(folder === "" ? {} : { folder }),
  log: (line) => console.log(line),
});
console.log(JSON.stringify({ event: "port", port: server.port }));
