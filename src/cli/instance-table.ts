import type { Instance } from "../client/index.ts";
import type { Column } from "./table.ts";

interface InstanceColumn extends Column {
  readonly cell: (instance: Instance) => string;
  /** Left out where no instance has it. */
  readonly isOptional?: boolean;
}

const SESSION_DIGITS = 8;

const COLUMNS: readonly InstanceColumn[] = [
  { head: "ADDR", cell: (instance) => instance.addr },
  { head: "PROTOCOL", cell: (instance) => instance.protocol },
  { head: "STATUS", cell: statusText },
  { head: "WEIGHT", align: "right", cell: (instance) => String(instance.weight) },
  { head: "VERSION", cell: (instance) => instance.version ?? "", isOptional: true },
  { head: "LOCATION", cell: locationText, isOptional: true },
  { head: "META", cell: metaText, isOptional: true },
  { head: "OWNER", cell: ownerText },
];

export interface InstanceTable {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

export function instanceTable(instances: readonly Instance[]): InstanceTable {
  const columns = COLUMNS.filter(
    ({ isOptional, cell }) => isOptional !== true || instances.some((one) => cell(one) !== ""),
  );
  return { columns, rows: instances.map((instance) => columns.map(({ cell }) => cell(instance))) };
}

/** The same on one line, for `watch`. */
export function instanceText(instance: Instance): string {
  const { addr, protocol, weight, version } = instance;
  const rest = [
    statusText(instance),
    `weight ${weight}`,
    ...(version === undefined ? [] : [`version ${version}`]),
    locationText(instance),
    metaText(instance),
  ];
  return [addr, protocol, ...rest.filter((part) => part !== "")].join("  ");
}

function statusText({ status, reason }: Instance): string {
  return reason === undefined ? status : `${status} (${reason})`;
}

function locationText({ location }: Instance): string {
  return [location?.region, location?.zone, location?.campus]
    .filter((part) => part !== undefined)
    .join("/");
}

function metaText({ meta }: Instance): string {
  return Object.entries(meta)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

function ownerText({ session }: Instance): string {
  return session === null ? "persistent" : session.slice(0, SESSION_DIGITS);
}
