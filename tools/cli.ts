#!/usr/bin/env node
/**
 * `texgrad <command>`: the table of subcommands. Not here: what they do; each is a file of its own.
 */
import * as doctor from "./doctor.ts";
import * as dump from "./dump.ts";
import * as launch from "./launch.ts";
import * as serve from "./serve.ts";
import * as top from "./top.ts";

interface Command {
  readonly summary: string;
  readonly usage: string;
  /** Returns the exit code. */
  run(args: readonly string[]): number | Promise<number>;
}

const commands: Readonly<Record<string, Command>> = {
  dump: { summary: "run a script and write every plan it compiles: graphs, kernels with reasons, GLSL", ...dump },
  doctor: { summary: "tell what was found here: Node, gl, driver, limits, capabilities", ...doctor },
  serve: { summary: "a server that workers train through", ...serve },
  launch: { summary: "a server and several workers of one script on this machine", ...launch },
  top: { summary: "a training server at a glance", ...top },
};

function help(): string {
  const names = Object.keys(commands);
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const lines = names.map((name) => `  ${name.padEnd(width)}${commands[name]?.summary ?? ""}`);
  return `texgrad <command> [options]\n\n${lines.join("\n")}\n\ntexgrad <command> --help tells a command's options.`;
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    console.log(help());
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    console.error(`texgrad: there is no command "${name}"\n\n${help()}`);
    return 2;
  }
  if (args.includes("--help") || args.includes("-h")) {
    console.log(command.usage);
    return 0;
  }
  return command.run(args);
}

process.exitCode = await main(process.argv.slice(2));
