import type { LoopEvent } from "./api";
import { paths } from "./pieces";

// What happened, as a person would tell it: events that caused one another are one story.

/// Beginnings of the types that stories are made of; the rest of the log is measurements and client calls.
export const storyTypes = ["incident.", "trigger.fired", "trigger.ignored", "pipeline_run.", "attempt.started", "attempt.failed", "model_version.created",
  "model_version.released", "model_version.approved", "model_version.disapproved", "gate.judged", "rollout.", "deployment.", "waiver.", "project.applied", "prediction_log.lost"].join(",");

export type Look = "good" | "bad" | "wait" | "live" | "unsure";
export interface GateWord { gate: string; status: string; words: string }
export interface Line { seq: number; time_ms: number; look: Look; text: string; reason: string; href?: string; cause: number; gates?: GateWord[] }
export interface Story { key: number; title: string; ends: { look: Look; text: string }[]; lines: Line[] }

const textOf = (value: unknown) => (value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value));
const idOf = (event: LoopEvent) => event.subject.slice(event.subject.indexOf(":") + 1);
const kindOf = (event: LoopEvent) => event.subject.slice(0, event.subject.indexOf(":"));

/// Names of the things that an event has to do with; two events that share one belong together.
function threads(event: LoopEvent): string[] {
  const names = [`seq:${event.seq}`];
  if (event.cause_seq > 0) names.push(`seq:${event.cause_seq}`);
  if (["incident", "pipeline_run", "attempt"].includes(kindOf(event))) names.push(event.subject);
  if (event.actor.startsWith("attempt:")) names.push(event.actor);
  for (const thing of ["incident", "rollout", "pipeline_run"]) if (event.data[thing]) names.push(`${thing}:${textOf(event.data[thing])}`);
  return names;
}

const last = <T>(list: T[], holds: (one: T) => boolean): T | undefined => [...list].reverse().find(holds);

function gather(events: LoopEvent[]): LoopEvent[][] {
  const leader = new Map<string, string>();
  const find = (name: string): string => {
    let top = name;
    while ((leader.get(top) ?? top) !== top) top = leader.get(top)!;
    leader.set(name, top);
    return top;
  };
  for (const event of events) {
    const [first, ...others] = threads(event).map(find);
    for (const other of others) leader.set(other, first);
  }
  const groups = new Map<string, LoopEvent[]>();
  for (const event of events) {
    const name = find(`seq:${event.seq}`);
    const group = groups.get(name);
    if (group) group.push(event);
    else groups.set(name, [event]);
  }
  return [...groups.values()];
}

const phases: Record<string, string> = { shadowing: "the shadow", canarying: "canary", gating: "its gates" };
const version = (e: LoopEvent) => `${textOf(e.data.model) || idOf(e)} version ${textOf(e.data.version)}`;
const versionPage = (e: LoopEvent) => (e.data.model && Number(e.data.version) > 0 ? paths.version(textOf(e.data.model), textOf(e.data.version)) : undefined);
type Told = [Look, string, string?];  // how it looks, what it says, where it leads; the event's reason is added
const tellers: Record<string, (e: LoopEvent) => Told | undefined> = {
  "incident.opened": (e) => ["bad", `Incident of ${textOf(e.data.deployment)}: ${textOf(e.data.words)}`, paths.incident(idOf(e))],
  "incident.unresolved": (e) => ["bad", "The incident goes on", paths.incident(idOf(e))],
  "incident.remedy_started": (e) => ["wait", `Version ${textOf(e.data.remedy_version)} is to remedy it`, paths.incident(idOf(e))],
  "incident.remedy_promoted": (e) => ["good", `Version ${textOf(e.data.remedy_version)}, its remedy, serves`, paths.incident(idOf(e))],
  "incident.remedy_undecided": (e) => ["wait", `Version ${textOf(e.data.remedy_version)}, its remedy, waits for a person`, paths.incident(idOf(e))],
  "incident.remedy_failed": (e) => ["bad", `Version ${textOf(e.data.remedy_version)} did not remedy it`, paths.incident(idOf(e))],
  "incident.closed": (e) => ["good", `Incident closed, remedy: ${textOf(e.data.remedy) || "none"}`, paths.incident(idOf(e))],
  "trigger.fired": (e) => ["live", `Trigger ${idOf(e)} fired, pipeline ${textOf(e.data.pipeline)}`, e.data.firing ? paths.lineage(`firing:${textOf(e.data.firing)}`) : undefined],
  "trigger.ignored": (e) => ["unsure", `Trigger ${idOf(e)} did not fire`],
  "pipeline_run.requested": (e) => ["live", `Pipeline ${textOf(e.data.pipeline)} was asked for`, paths.lineage(e.subject)],
  "pipeline_run.attempt_started": () => undefined,
  "pipeline_run.succeeded": (e) => ["good", `Pipeline ${textOf(e.data.pipeline)} has run`, paths.lineage(e.subject)],
  "pipeline_run.skipped": (e) => ["unsure", `Pipeline ${textOf(e.data.pipeline)} had nothing to do`, paths.lineage(e.subject)],
  "attempt.started": () => undefined,
  "attempt.failed": (e) => ["bad", `Stage ${textOf(e.data.stage)} failed`, paths.lineage(e.subject)],
  "model_version.created": (e) => ["good", `${idOf(e).replace(/\/(\d+)$/, " version $1")} is registered`, paths.version(idOf(e).replace(/\/\d+$/, ""), idOf(e).replace(/^.*\//s, ""))],
  "rollout.requested": (e) => ["wait", `${version(e)} asks to serve${Number(e.data.replaces) > 0 ? ` in place of version ${textOf(e.data.replaces)}` : ""}`, versionPage(e)],
  "rollout.gates_started": () => undefined,
  "rollout.settled": () => undefined,
  "rollout.advanced": (e) => ["live", `${version(e)} goes on to ${phases[textOf(e.data.to)] ?? textOf(e.data.to)}`, versionPage(e)],
  "rollout.promoted": (e) => ["good", `${version(e)} serves`, versionPage(e)],
  "rollout.stopped": (e) => ["bad", `${version(e)} is stopped by a gate`, versionPage(e)],
  "rollout.rolled_back": (e) => ["bad", `${version(e)} is rolled back`, versionPage(e)],
  "rollout.paused": (e) => ["wait", `${version(e)} pauses`, versionPage(e)],
  "waiver.granted": (e) => ["wait", `Gate ${textOf(e.data.gate)} of ${idOf(e)}${Number(e.data.version) > 0 ? ` version ${textOf(e.data.version)}` : ""} is waived by ${e.actor}`, versionPage(e) ?? paths.model(idOf(e))],
  "waiver.revoked": (e) => ["unsure", `A waiver of ${idOf(e)} is revoked by ${e.actor}`, paths.model(idOf(e))],
  "project.applied": () => ["unsure", "slipway.yaml was applied"],
};

function tell(event: LoopEvent): Line | undefined {
  const teller = tellers[event.type];
  const said = textOf(event.data.reason ?? event.data.words ?? event.data.message);
  // The line names the version itself.
  const reason = event.data.remedy_version ? said.replace(`version ${textOf(event.data.remedy_version)}: `, "") : said;
  const told: Told | undefined = teller ? teller(event) : [/fail|lost|refused|timed/.test(event.type) ? "bad" : "unsure",
    `${event.type.replace(/^.*\./, "").replaceAll("_", " ")}: ${kindOf(event).replaceAll("_", " ")} ${idOf(event)}`, versionPage(event)];
  return told && { seq: event.seq, time_ms: event.time_ms, look: told[0], text: told[1], href: told[2], reason: told[1].includes(reason) ? "" : reason, cause: event.cause_seq };
}

/// Verdicts of gates that follow one another are one line.
function linesOf(events: LoopEvent[]): Line[] {
  const lines: Line[] = [];
  for (const event of events) {
    if (event.type !== "gate.judged") {
      const line = tell(event);
      if (line) lines.push(line);
      continue;
    }
    const gate = { gate: textOf(event.data.gate), status: textOf(event.data.status), words: textOf(event.data.words) };
    const line = lines[lines.length - 1];
    if (line?.gates) {
      line.gates.push(gate);
      if (gate.status === "fail") line.look = "bad";
      continue;
    }
    lines.push({ seq: event.seq, time_ms: event.time_ms, look: gate.status === "fail" ? "bad" : "good", text: `Gates of ${idOf(event).replace(/\/(\d+)$/, " version $1")}`,
      href: paths.lineage(event.subject), reason: "", cause: event.cause_seq, gates: [gate] });
  }
  return lines;
}

/// What it all came to, by the last event that says so: of the work, and of the incident that asked for it.
type End = [RegExp, Look, string];
const workEnds: End[] = [
  [/^rollout\.promoted$/, "good", "promoted"], [/^rollout\.rolled_back$/, "bad", "rolled back"], [/^rollout\.stopped$/, "bad", "stopped by a gate"],
  [/^rollout\.refused$/, "bad", "refused"], [/^rollout\.superseded$/, "unsure", "superseded"], [/^rollout\.paused$/, "wait", "pauses"],
  [/^rollout\.(requested|advanced|resumed)$/, "live", "under way"], [/^pipeline_run\.(failed|timed_out)$/, "bad", "the run failed"],
  [/^pipeline_run\.cancelled$/, "unsure", "cancelled"], [/^pipeline_run\.skipped$/, "unsure", "nothing new"], [/^pipeline_run\.(requested|attempt_started)$/, "live", "training"],
];
const incidentEnds: End[] = [[/^incident\.closed$/, "good", "incident closed"], [/^incident\./, "bad", "incident open"]];
function endOf(events: LoopEvent[], ends: End[]): End | undefined {
  const telling = last(events, (e) => ends.some(([type]) => type.test(e.type)));
  return telling && ends.find(([type]) => type.test(telling.type));
}

function titleOf(events: LoopEvent[]): string {
  const incident = events.find((e) => e.type.startsWith("incident."));
  const rollout = last(events, (e) => e.type.startsWith("rollout.") && Boolean(e.data.version));
  const trigger = events.find((e) => e.type === "trigger.fired");
  if (rollout) return version(rollout) + (incident ? ` for ${textOf(incident.data.monitor)} of ${textOf(incident.data.deployment)}` : trigger ? ` by trigger ${idOf(trigger)}` : "");
  if (incident) return `${textOf(incident.data.monitor)} of ${textOf(incident.data.deployment)}`;
  const run = events.find((e) => e.type.startsWith("pipeline_run."));
  if (run) return `Pipeline ${textOf(run.data.pipeline)}`;
  return `${kindOf(events[0]).replaceAll("_", " ")} ${idOf(events[0])}`;
}

/// The story whose news are the latest comes first; its lines are told from the beginning.
export function storiesOf(events: LoopEvent[]): Story[] {
  const stories: Story[] = [];
  for (const group of gather(events)) {
    const lines = linesOf(group);
    if (!lines.length) continue;
    const found = [endOf(group, workEnds), endOf(group, incidentEnds)].filter((end) => end !== undefined);
    stories.push({ key: group[0].seq, title: titleOf(group), ends: found.map(([, look, text]) => ({ look, text })), lines });
  }
  return stories.sort((a, b) => b.lines[b.lines.length - 1].seq - a.lines[a.lines.length - 1].seq);
}
