import { For, Show } from "solid-js";
import type { Guard, Rollout, Step } from "./api";
import { serverNow } from "./clock";
import { number, percent, plural, span } from "./format";
import { paths, State, When } from "./pieces";

const nameOf = (step: Step) => `${step.kind} ${number(step.percent)} %`;

/// How far it is: everything that it goes through, and where it stands.
function Way(props: { of: Rollout }) {
  const steps = () => ["gates", ...(props.of.plan?.steps ?? []).map(nameOf), "serves"];
  const at = () => {
    if (props.of.phase === "pending") return -1;
    if (props.of.phase === "gating") return 0;
    return props.of.phase === "promoting" ? steps().length - 1 : 1 + props.of.step;
  };
  const state = (i: number) => (i < at() ? "done" : i === at() ? "here" : "ahead");
  return (
    <ol class="way" aria-label={`Way of version ${props.of.version}`}><For each={steps()}>{(name, i) => (
      <li class={state(i())} aria-current={i() === at() ? "step" : undefined}>{name}<Show when={state(i()) === "done"}><span class="sr"> is passed</span></Show></li>
    )}</For></ol>
  );
}

const enough = (log: number | null) => (log === null ? "∞" : Math.exp(log) >= 1e6 ? "> 10⁶" : number(Number(Math.exp(log).toPrecision(3))));

/// Evidence grows by multiplication, so its bar is drawn by its logarithm. A guard with a margin has to be shown not worse; one
/// without only stops what is shown to be harmful.
function Evidence(props: { guard: Guard; margin?: number }) {
  const log = () => (props.margin === undefined ? props.guard.log_e_harmful : props.guard.log_e_non_inferior);
  const share = () => {
    const goal = props.guard.log_enough ?? Infinity;
    return log() === null ? 1 : Math.max(0, Math.min(1, (log() ?? 0) / goal));
  };
  const words = () => (props.margin === undefined ? "that it is harmful" : `that it is not worse by more than ${number(props.margin)}`);
  return (
    <div class="evidence">
      <div class={"gauge " + (props.margin === undefined ? "harm" : "")} role="meter" aria-label={`Evidence of ${props.guard.guard}`} aria-valuemin="0" aria-valuemax="1" aria-valuenow={share().toFixed(2)}><span style={{ width: `${100 * share()}%` }} /></div>
      <span>E {enough(log())} <span class="quiet">of {enough(props.guard.log_enough)} {words()}</span></span>
    </div>
  );
}

export function Guards(props: { of: Rollout }) {
  const margin = (name: string) => props.of.plan?.guards.find((g) => g.name === name)?.margin;
  const count = (events: number, answers: number) => <>{number(events)} <span class="quiet">of {number(answers)}</span></>;
  return (
    <Show when={props.of.guards?.length}>
      <div class="scroll"><table><caption class="sr">Guards of version {props.of.version}</caption>
        <thead><tr><th scope="col">Guard</th><th scope="col">Finding</th><th scope="col" class="number">Candidate</th><th scope="col" class="number">Stable</th><th scope="col">Evidence</th></tr></thead>
        <tbody><For each={props.of.guards}>{(g) => (
          <tr><th scope="row">{g.guard}<Show when={g.critical}> <span class="tag">critical</span></Show></th>
            <td><State of={g.finding} /><Show when={g.needed > g.candidate_answers}><br /><span class="quiet">{plural(g.needed, "answer")} needed</span></Show><Show when={g.callers_needed}><br /><span class="quiet">about {plural(g.callers_needed!, "caller")} needed, {number(g.callers_came ?? 0)} came</span></Show></td>
            <td class="number">{count(g.candidate_events, g.candidate_answers)}</td><td class="number">{count(g.stable_events, g.stable_answers)}</td>
            <td title={g.words}><Evidence guard={g} margin={margin(g.guard)} /></td></tr>
        )}</For></tbody>
      </table></div>
    </Show>
  );
}

/// Gates that all passed, or were waived, are one line, which opens.
export function Gates(props: { of: Rollout }) {
  const verdict = (gate: string) => props.of.gates?.find((g) => g.gate === gate);
  const gates = () => [...new Set([...(props.of.gates_wanted ?? []), ...(props.of.gates ?? []).map((g) => g.gate)])];
  const those = (status: string) => gates().filter((name) => verdict(name)?.status === status);
  const passed = () => those("pass"), waived = () => those("waived");
  const all = () => passed().length + waived().length === gates().length;
  return (
    <Show when={gates().length}>
      <details class="gates" open={!all()}><summary><span class={"state " + (passed().length < gates().length ? "wait" : "good")}>{passed().length} of {plural(gates().length, "gate")} passed<Show when={waived().length}>, {waived().length} waived</Show></span> <span class="quiet">{passed().join(", ")}<Show when={waived().length}>{passed().length ? "; " : ""}{waived().join(", ")} waived</Show></span></summary>
      <div class="scroll"><table><caption class="sr">Gates of version {props.of.version}</caption>
        <thead><tr><th scope="col">Gate</th><th scope="col">Verdict</th><th scope="col">Evidence</th></tr></thead>
        <tbody><For each={gates()}>{(name) => (
          <tr><th scope="row">{name}</th><td><State of={verdict(name)?.status ?? "pending"} as={verdict(name) ? undefined : "not yet judged"} /></td><td class="words">{verdict(name)?.words}</td></tr>
        )}</For></tbody>
      </table></div></details>
    </Show>
  );
}

function Progress(props: { of: Rollout }) {
  const step = () => props.of.plan?.steps[props.of.step];
  const seen = () => props.of.counts?.candidate;
  const time = () => Math.max(0, serverNow() - props.of.step_started_ms);
  const fails = () => { const c = seen(); return c && c.requests ? percent(c.errors / c.requests) : undefined; };
  return (
    <Show when={step() && seen()}>
      <span class="quiet"> · {plural(seen()!.requests, "answer")} of at least {number(step()!.min_requests)}<Show when={fails()}>{(rate) => <>, {rate()} failed</>}</Show> · {span(time())}<Show when={step()!.min_time_ms}>{(least) => <> of {span(least())}</>}</Show> · <Show when={step()!.max_wait_ms} fallback="waits for ever where undecided">{(most) => <>pauses if undecided by <When ms={props.of.waiting_since_ms + most()} bare /></>}</Show></span>
    </Show>
  );
}

/// The candidate under way, with all that its next step is decided by.
export function RolloutNow(props: { of: Rollout; model: string }) {
  return (
    <div class="rollout">
      <p class="lead"><a href={paths.version(props.model, String(props.of.version))}>Version {props.of.version}</a> {props.of.replaces ? `in place of version ${props.of.replaces}` : "as the first that serves"} · <State of={props.of.phase} /><Show when={props.of.forced}> <span class="tag">forced</span></Show></p>
      <Way of={props.of} />
      <Show when={props.of.paused}><p class="wait">Paused: {props.of.paused}</p></Show>
      <p><Show when={props.of.next}>{(next) => <>Next: <b>{next().action.replaceAll("_", " ")}</b><Show when={!/^\d+ of \d+ answers$/.test(next().reason)}>, {next().reason}</Show></>}</Show><Progress of={props.of} /></p>
      <Guards of={props.of} />
      <Gates of={props.of} />
    </div>
  );
}
