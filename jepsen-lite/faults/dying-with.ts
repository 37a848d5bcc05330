/** Before a command line: the kernel ends it when whoever has started it ends, however that does. */
export const DYING_WITH_PARENT: readonly string[] =
  process.platform === "linux" ? ["setpriv", "--pdeathsig", "KILL"] : [];
