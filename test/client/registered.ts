import type { RollcallClient } from "../../src/client/client.ts";
import type { Registration } from "../../src/client/registration.ts";
import type { World } from "./world.ts";

export const WEB = { application: "web", protocol: "http", addr: "10.9.9.1:80" };

export async function registered(
  world: World,
  client: RollcallClient,
  addr = WEB.addr,
): Promise<Registration> {
  return world.wait(client.provider.register({ ...WEB, addr }));
}
