import { parseAddress } from "../server/address.ts";
import { usageFailure } from "./failure.ts";

/** Before anybody is asked: what is no `host:port` is a slip of the keyboard. */
export function checkAddr(addr: string): void {
  const parsed = parseAddress(addr);
  if (parsed === null || parsed.port === 0) {
    throw usageFailure(`'${addr}' is not HOST:PORT`, "such as 127.0.0.1:8080 or [::1]:8080");
  }
}
