import type { Run } from "./api";
import { number } from "./format";

export type Kind = "metrics" | "params";
export interface Column { kind: Kind; key: string; id: string; differs: boolean }

const quote = (key: string) => (key.includes("`") ? `"${key}"` : `\`${key}\``);
const empty = (value: string | undefined) => value === undefined || value === "" || value === "None";

export function valuesOf(run: Run, kind: Kind): Map<string, string> {
  return kind === "metrics" ? new Map(run.data.metrics.map((m) => [m.key, number(m.value)])) : new Map(run.data.params.map((p) => [p.key, p.value ?? ""]));
}

/// Every key of these runs: first those whose values differ (not to be there is a value too), then those that say
/// something, then those that are None everywhere; by name within.
export function columnsOf(runs: Run[], kind: Kind): Column[] {
  const values = runs.map((run) => valuesOf(run, kind));
  const keys = [...new Set(values.flatMap((of) => [...of.keys()]))].sort();
  const columns = keys.map((key) => {
    const cells = values.map((of) => of.get(key));
    const differs = cells.some((cell) => cell !== cells[0]);
    return { column: { kind, key, id: `${kind}.${quote(key)}`, differs }, rank: differs ? 0 : empty(cells[0]) ? 2 : 1 };
  });
  return [...columns].sort((a, b) => a.rank - b.rank).map((c) => c.column);
}
