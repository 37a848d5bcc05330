import { InvalidArgumentError } from "commander";
import { NODE_OPTIONS, parseSizeBytes } from "../server/config.ts";
import { flag } from "./command.ts";

/** Of what makes a directory for a node that is to keep its sessions. */
export const DISK_LOW = flag<number>({
  flags: "--disk-low <size>",
  doc: "As the node is to be started with: on a disk that is low, sessions are not kept (0: never)",
  env: NODE_OPTIONS.diskLowBytes.env,
  parse: (text) => {
    const bytes = parseSizeBytes(text);
    if (bytes === null) throw new InvalidArgumentError("It is a size such as 512MiB, 2GiB or 0.");
    return bytes;
  },
});
