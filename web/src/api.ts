// The server's answers, as far as the pages use them. Every call is to the page's own origin.

export interface KeyValue { key: string; value?: string }
export interface Metric { key: string; value: number; timestamp: number; step: number }
export interface Experiment {
  experiment_id: string; name: string; artifact_location?: string; lifecycle_stage: string;
  creation_time?: number; last_update_time?: number; tags?: KeyValue[];
}
export interface RunInfo {
  run_id: string; run_name?: string; experiment_id: string; user_id?: string; status: string;
  start_time?: number; end_time?: number; artifact_uri?: string; lifecycle_stage: string;
}
export interface Dataset { name: string; digest: string; source_type?: string; source?: string }
export interface Run {
  info: RunInfo;
  data: { metrics: Metric[]; params: KeyValue[]; tags: KeyValue[] };
  inputs?: { dataset_inputs?: { dataset: Dataset; tags?: KeyValue[] }[]; model_inputs?: { model_id: string }[] };
  outputs?: { model_outputs?: { model_id: string; step?: number }[] };
}
export interface RegisteredModel {
  name: string; description?: string; creation_timestamp?: number; last_updated_timestamp?: number;
  tags?: KeyValue[]; aliases?: { alias: string; version: string }[]; latest_versions?: ModelVersion[];
}
export interface ModelVersion {
  name: string; version: string; creation_timestamp?: number; last_updated_timestamp?: number;
  current_stage?: string; description?: string; source?: string; run_id?: string; status?: string;
  status_message?: string; tags?: KeyValue[]; aliases?: string[]; model_id?: string;
}
export interface LoggedModel {
  info: {
    model_id: string; experiment_id: string; name?: string; status?: string; source_run_id?: string; model_type?: string;
    artifact_uri?: string; creation_timestamp_ms?: number; tags?: KeyValue[];
  };
  data?: { params?: KeyValue[]; metrics?: Metric[] };
}
export interface FileInfo { path: string; is_dir: boolean; file_size?: number }
export interface Served {
  name: string; version?: string; state?: string; reason?: string;
  parameters?: { is_default?: boolean; loaded?: boolean };
}
export interface Column { name: string; type?: string; required?: boolean }
export interface ServedMetadata {
  name: string; versions?: string[]; platform?: string;
  inputs?: { name: string; datatype: string; shape: number[] }[];
  outputs?: { name: string; datatype: string; shape: number[] }[];
  parameters?: { default_version?: string; columns?: Column[] };
}
/// A thing of the asset graph; things are named "kind:id" by edges.
export interface GraphNode { kind: string; id: string; created_ms?: number; attributes: Record<string, unknown> }
export interface GraphEdge { effect: string; relation: string; cause: string; attributes: Record<string, unknown> }
export interface Chain { subject: string; truncated: boolean; nodes: GraphNode[]; edges: GraphEdge[] }
export interface Page<T> { items: T[]; next?: string }

// ---- the loop: deployments, rollouts, windows, incidents, and what happened

export interface Gate { gate: string; status: string; words: string }
/// Evidence is in natural logarithms; null is without bound.
export interface Guard {
  guard: string; measure: string; critical: boolean; paired: boolean; finding: string; clear: boolean; words: string;
  log_e_harmful: number | null; log_e_non_inferior: number | null; log_enough: number | null;
  candidate_answers: number; candidate_events: number; stable_answers: number; stable_events: number; needed: number; callers_needed?: number; callers_came?: number; difference: number;
}
export interface Step { kind: string; percent: number; min_requests: number; min_time_ms: number; max_wait_ms: number }
export interface Transition { number: number; action: string; from_phase: string; to_phase: string; reason: string; actor: string; event_seq: number; time_ms: number }
export interface Arm { requests: number; errors: number; slow: number }
export interface Rollout {
  id: string; version: number; replaces: number; phase: string; waiting: boolean; step: number; steps: number; paused: string;
  undecided: boolean; forced: boolean; reason: string; asked_by: string; created_ms: number; step_started_ms: number; waiting_since_ms: number; ended_ms: number; percent?: number;
  /// In a history: when it began to serve all (0: never), and whether it is the one that does.
  live_ms?: number; serves?: boolean;
  gates?: Gate[]; gates_wanted?: string[]; guards?: Guard[]; plan?: { steps: Step[]; guards: { name: string; margin?: number }[] };
  counts?: { stable: Arm; candidate: Arm }; next?: { action: string; reason: string }; transitions?: Transition[];
}
export interface Deployment {
  name: string; model: string; declared: boolean; stable: number; previous: number; frozen_by: string; frozen_reason: string; fault: string; answers: boolean | null;
  created_ms: number; rollout: Rollout | null; waiting: Rollout | null; quarantine: { version: number; rollout: string; reason: string; since_ms: number }[];
}
export interface DeploymentDetail extends Deployment {
  rollouts: Rollout[]; rollbacks?: { from: number; to: number; reason: string; actor: string; time_ms: number }[];
}
export interface Check { check: string; column: string; status: string; words: string; observed?: number | string; threshold?: number | string; n?: number }
export interface MonitorWindow {
  id: string; deployment: string; monitor: string; model: string; version: string; start_ms: number; end_ms: number; status: string; words: string;
  requests: number; rows: number; labelled: number; columns: string[]; facts: { failed?: number; refused?: number }; event_seq: number; judged_ms: number;
  measured?: Check | null; verdicts?: { deciding: Check[]; told: Check[]; passed: number };
}
export interface Monitor {
  deployment: string; monitor: string; requirement: string; against: string; labels: string; window: string; waits: string; min_rows: number; persist: number;
  begun: boolean; windows?: number; next_start_ms?: number; next_due_ms?: number; last?: MonitorWindow; last_of_live?: MonitorWindow; incident?: string;
}
export interface Incident {
  id: string; deployment: string; monitor: string; requirement: string; model: string; version: string; open: boolean; columns: string[]; words: string;
  remedy_under_way: boolean; remedy_version: string; remedy_candidate: string; remedy_undecided?: string; failed_remedies: number; remedy: string; reason: string; closed_by: string;
  opened_ms: number; closed_ms: number; opened_seq: number;
}
export interface IncidentDetail extends Incident {
  history: { number: number; action: string; reason: string; actor: string; evidence: string[]; event_seq: number; time_ms: number }[];
}
/// A change of state; `cause_seq` is the number of the event that caused it, 0 for none.
export interface LoopEvent { seq: number; time_ms: number; type: string; subject: string; actor: string; cause_seq: number; data: Record<string, unknown> }
export interface Answer {
  role: string; model: string; version: string; step: string | null; status: number; latency_us: number; event_time: string; client_id: string;
  key_hash: string | null; error?: string; rows: number; inputs: Record<string, unknown>[]; outputs: Record<string, unknown>[]; hashed: string[]; looked_up: string[];
  features: { view: string; version: string; keys: Record<string, string>[]; hashed: string[] } | null;
}
export interface Prediction {
  id: string; deployment: string; time: string; answers: Answer[]; truncated: boolean;
  labels: { row: number; value: number; event_time: string; received: string; source: string }[];
}

/// How many each deployment has answered since the server began.
export interface Answers { answers: { deployment: string; answered: number; failed: number }[]; monotonic_ms: number }
/// One line of a list of answers: `outputs` are those of its first row.
export interface RecentAnswer {
  id: string; time: string; event_time: string; role: string; model: string; version: string; status: number; latency_us: number; rows: number;
  client_id: string; error?: string; outputs: Record<string, number | string>;
}
export interface RecentQuery { deployment: string; version?: string; status?: string; limit: number }
/// A trigger as it is declared, and until when it rests.
export interface Trigger {
  trigger: string; pipeline: string; on: string; cooldown_ms: number; at_most: string | null; overlap: string; last_fired_ms: number; was_skipped?: boolean; rests_until_ms: number;
}
export interface Probe { test: string; title: string; points: string; measured: boolean; why: string; how?: string; evidence: string[] }
export interface TestScore { model: string; version: number; score: number; reading: string; sections: Record<string, number>; measured: number; not_measured: number; tests: Probe[] }

export class ApiError extends Error {
  constructor(message: string, readonly status: number, readonly code: string) { super(message); }
}

type Query = Record<string, string | number | string[] | undefined>;

let strange: () => void = () => {};
/// `then` is called when the server does not know who asks.
export function onStranger(then: () => void) { strange = then; }

export async function call<T>(method: string, path: string, query: Query | null, body: unknown, signal?: AbortSignal): Promise<T> {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) search.append(key, String(one));
  }
  const url = path + (search.size || search.toString() ? "?" + search : "");
  let response: Response;
  try {
    response = await fetch(url, {
      method, signal,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError("The server does not answer. Is it still running?", 0, "");
  }
  const text = await response.text();
  let json: any = null;
  try { json = text === "" ? {} : JSON.parse(text); } catch { /* an error page */ }
  if (response.status === 401 && !path.endsWith("/login")) strange();
  if (!response.ok || json === null) {
    const message = json?.message ?? (typeof json?.error === "string" ? json.error : undefined);
    throw new ApiError(message ?? `${method} ${path} was answered with status ${response.status}`, response.status,
      json?.error_code ?? "");
  }
  return json as T;
}

const base = "/ajax-api/2.0/mlflow/";
const get = <T>(path: string, query: Query, signal?: AbortSignal) => call<T>("GET", base + path, query, undefined, signal);
const post = <T>(path: string, body: unknown, signal?: AbortSignal) => call<T>("POST", base + path, null, body, signal);

/// Non-finite numbers travel as strings.
const toMetric = (m: any): Metric => ({ key: m.key, value: Number(m.value ?? 0), timestamp: Number(m.timestamp ?? 0), step: Number(m.step ?? 0) });
const toRun = (run: any): Run => ({
  ...run,
  data: { metrics: (run.data?.metrics ?? []).map(toMetric), params: run.data?.params ?? [], tags: run.data?.tags ?? [] },
});

export async function searchExperiments(token: string | undefined, signal?: AbortSignal): Promise<Page<Experiment>> {
  const answer = await post<any>("experiments/search",
    { max_results: 100, page_token: token, order_by: ["last_update_time DESC"], view_type: "ACTIVE_ONLY" }, signal);
  return { items: answer.experiments ?? [], next: answer.next_page_token || undefined };
}
export const getExperiment = async (id: string, signal?: AbortSignal): Promise<Experiment> =>
  (await get<any>("experiments/get", { experiment_id: id }, signal)).experiment;

export interface RunQuery { experiment: string; filter: string; order: string; token?: string; rows: number }
export async function searchRuns(q: RunQuery, signal?: AbortSignal): Promise<Page<Run>> {
  const answer = await post<any>("runs/search", {
    experiment_ids: [q.experiment], filter: q.filter || undefined, max_results: q.rows,
    order_by: q.order ? [q.order] : undefined, page_token: q.token, run_view_type: "ACTIVE_ONLY",
  }, signal);
  return { items: (answer.runs ?? []).map(toRun), next: answer.next_page_token || undefined };
}
export const getRun = async (id: string, signal?: AbortSignal): Promise<Run> =>
  toRun((await get<any>("runs/get", { run_id: id }, signal)).run);

/// At most 100,000 points, in order of step.
export async function metricHistory(run: string, key: string, signal?: AbortSignal): Promise<Metric[]> {
  const points: Metric[] = [];
  let token: string | undefined;
  for (let page = 0; page < 4; ++page) {
    const answer = await get<any>("metrics/get-history", { run_id: run, metric_key: key, max_results: 25000, page_token: token }, signal);
    for (const m of answer.metrics ?? []) points.push(toMetric(m));
    token = answer.next_page_token || undefined;
    if (!token) break;
  }
  return points;
}
export const listArtifacts = async (run: string, path: string, signal?: AbortSignal): Promise<{ root: string; files: FileInfo[] }> => {
  const answer = await get<any>("artifacts/list", { run_id: run, path: path || undefined }, signal);
  return { root: answer.root_uri ?? "", files: answer.files ?? [] };
};
/// Where a browser can fetch an artifact of a run.
export function artifactUrl(run: string, root: string, path: string): string {
  const encoded = (text: string) => text.split("/").map(encodeURIComponent).join("/");
  const proxied = /^mlflow-artifacts:(?:\/\/[^/]*)?\/+(.*)$/.exec(root);
  if (proxied) return "/api/2.0/mlflow-artifacts/artifacts/" + encoded(proxied[1].replace(/\/$/, "") + "/" + path);
  return "/get-artifact?" + new URLSearchParams({ path, run_uuid: run });
}

export async function searchModels(token: string | undefined, signal?: AbortSignal): Promise<Page<RegisteredModel>> {
  const answer = await get<any>("registered-models/search", { max_results: 100, page_token: token }, signal);
  return { items: answer.registered_models ?? [], next: answer.next_page_token || undefined };
}
export const getModel = async (name: string, signal?: AbortSignal): Promise<RegisteredModel> =>
  (await get<any>("registered-models/get", { name }, signal)).registered_model;
async function searchVersions(filter: string, token: string | undefined, signal?: AbortSignal): Promise<Page<ModelVersion>> {
  const answer = await get<any>("model-versions/search", { filter, max_results: 100, page_token: token, order_by: ["version_number DESC"] }, signal);
  return { items: answer.model_versions ?? [], next: answer.next_page_token || undefined };
}
const quoted = (text: string) => (text.includes("'") ? `"${text}"` : `'${text}'`);
export const versionsOf = (name: string, token?: string, signal?: AbortSignal) => searchVersions("name=" + quoted(name), token, signal);
export const versionsFromRun = async (run: string, signal?: AbortSignal) => (await searchVersions("run_id=" + quoted(run), undefined, signal)).items;
export const getVersion = async (name: string, version: string, signal?: AbortSignal): Promise<ModelVersion> =>
  (await get<any>("model-versions/get", { name, version }, signal)).model_version;
export const getLoggedModel = async (id: string, signal?: AbortSignal): Promise<LoggedModel> =>
  (await get<any>("logged-models/" + encodeURIComponent(id), {}, signal)).model;

/// Every model version the server knows, loaded or not, and why not.
export const servedModels = (signal?: AbortSignal) => call<Served[]>("POST", "/v2/repository/index", null, {}, signal);
export const servedMetadata = (name: string, version: string | undefined, signal?: AbortSignal) =>
  call<ServedMetadata>("GET", "/v2/models/" + encodeURIComponent(name) + (version ? "/versions/" + encodeURIComponent(version) : ""), null, undefined, signal);

const loop = "/api/slipway/v1/";
const ask = <T>(path: string, query: Query, signal?: AbortSignal) => call<T>("GET", loop + path, query, undefined, signal);
const part = encodeURIComponent;

/// What time it is for the server, and whether somebody else turns its clock.
export const getClock = async (signal?: AbortSignal): Promise<{ now_ms: number; replay: boolean }> => {
  const answer = await ask<{ time: string; clock: string }>("clock", {}, signal);
  return { now_ms: Date.parse(answer.time), replay: answer.clock === "replay" };
};
export const listDeployments = async (signal?: AbortSignal) => (await ask<{ deployments: Deployment[] }>("deployments", {}, signal)).deployments;
export const getDeployment = (name: string, signal?: AbortSignal) => ask<DeploymentDetail>("deployments/" + part(name), {}, signal);
export const listMonitors = async (signal?: AbortSignal) => (await ask<{ monitors: Monitor[] }>("monitors", {}, signal)).monitors;
export interface WindowQuery { deployment: string; monitor?: string; version?: string; before_ms?: number; limit: number; verdicts?: boolean }
/// The latest first.
export const listWindows = async (query: WindowQuery, signal?: AbortSignal) =>
  (await ask<{ windows: MonitorWindow[] }>("windows", { ...query, verdicts: query.verdicts ? "true" : undefined, measured: "true" }, signal)).windows;
export const listIncidents = async (query: { deployment?: string; open?: boolean; limit: number }, signal?: AbortSignal) =>
  (await ask<{ incidents: Incident[] }>("incidents", { ...query, open: query.open ? "true" : undefined }, signal)).incidents;
export const listAnswers = (signal?: AbortSignal) => ask<Answers>("answers", {}, signal);
/// The newest first; not complete where older files of the log were not looked through.
export const listPredictions = (query: RecentQuery, signal?: AbortSignal) =>
  ask<{ predictions: RecentAnswer[]; complete: boolean }>("predictions", { ...query, version: query.version || undefined, status: query.status || undefined }, signal);
export const listTriggers = async (signal?: AbortSignal) => (await ask<{ triggers: Trigger[] }>("triggers", {}, signal)).triggers;
export const getScore = (model: string, signal?: AbortSignal) => ask<TestScore>(`models/${part(model)}/score`, {}, signal);
/// The name of the project that is applied; undefined before the first. (To ask for the project itself would be 404 then.)
export const appliedProject = async (signal?: AbortSignal): Promise<string | undefined> =>
  (await ask<{ applied: { project: string }[] }>("project/history", { limit: 1 }, signal)).applied[0]?.project;
export const getIncident = (id: string, signal?: AbortSignal) => ask<IncidentDetail>("incidents/" + part(id), {}, signal);
/// The newest events of some kinds, oldest first, and where an older page begins.
export const lookBack = async (query: { types: string; before?: number; limit: number }, signal?: AbortSignal): Promise<{ events: LoopEvent[]; before: number }> =>
  ask("events", query, signal);
/// The newest of one thing, oldest first.
export const eventsAbout = async (subject: string, limit: number, signal?: AbortSignal) =>
  (await ask<{ events: LoopEvent[] }>("events", { subject, limit }, signal)).events;
export async function getEvent(seq: number, signal?: AbortSignal): Promise<LoopEvent | undefined> {
  const found = (await ask<{ events: LoopEvent[] }>("events", { after: seq - 1, limit: 1 }, signal)).events[0];
  return found?.seq === seq ? found : undefined;
}

/// Everything that a thing comes from, or everything that came from it; undefined when nothing is known of it.
export async function explain(subject: string, direction: "causes" | "effects", signal?: AbortSignal): Promise<Chain | undefined> {
  try {
    return await ask<Chain>("explain", { subject, direction }, signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}
