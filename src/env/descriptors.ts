/**
 * How many files and sockets this process may have open at once (`ulimit -n`); null where the system
 * does not say. Takes some 20 ms.
 */
export function openFilesMax(): number | null {
  // Without it, every open socket is looked up in the DNS.
  Object.assign(process.report, { excludeNetwork: true });
  const report = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft: number | "unlimited" } };
  };
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : null;
}
