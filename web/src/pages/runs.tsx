import { useParams, useSearchParams } from "@solidjs/router";
import { createEffect, createMemo, createSignal, For, on, Show } from "solid-js";
import { getExperiment, searchRuns } from "../api";
import { columnsOf, valuesOf, type Kind } from "../differing";
import { duration } from "../format";
import { Code, createPages, Empty, Loaded, Page, Pager, paths, Problem, State, Time } from "../pieces";
import { createPolled } from "../polled";
import { firstScript } from "./experiments";

const rowsPerPage = 100;
const shownAtFirst = 6;
const comparedMax = 20;

export function Runs() {
  const params = useParams<{ experiment: string }>();
  const [query, setQuery] = useSearchParams<{ filter?: string; order?: string }>();
  const filter = () => String(query.filter ?? "");
  const order = () => String(query.order ?? "");
  const pages = createPages();
  const experiment = createPolled(() => params.experiment, getExperiment);
  const asked = createMemo(() => ({ experiment: params.experiment, filter: filter(), order: order(), token: pages.token(), rows: rowsPerPage }));
  createEffect(on([filter, order, () => params.experiment], pages.reset, { defer: true }));
  const runs = createPolled(asked, searchRuns, (data) => (data?.items.some((r) => r.info.status === "RUNNING") ? 3000 : 15_000));

  const [picked, setPicked] = createSignal<Record<string, boolean>>({});
  const [onlyDiffering, setOnlyDiffering] = createSignal(false);
  const [chosen, setChosen] = createSignal<string[]>([]);
  createEffect(on(() => params.experiment, () => setChosen([]), { defer: true }));
  const choose = (id: string, on: boolean) => setChosen(on ? [...chosen(), id] : chosen().filter((c) => c !== id));
  const all = createMemo(() => {
    const items = runs.data()?.items ?? [];
    return { metrics: columnsOf(items, "metrics"), params: columnsOf(items, "params") };
  }, undefined, { equals: (a, b) => JSON.stringify(a) === JSON.stringify(b) });
  const shown = createMemo(() => (["metrics", "params"] as Kind[]).flatMap((kind) =>
    all()[kind].filter((c, i) => (onlyDiffering() ? c.differs && (picked()[c.id] ?? true) : picked()[c.id] ?? i < shownAtFirst))));

  const direction = (id: string) => (order() === `${id} ASC` ? "ascending" : order() === `${id} DESC` ? "descending" : undefined);
  const turn = (id: string) => setQuery({ order: direction(id) === "ascending" ? `${id} DESC` : direction(id) === "descending" ? undefined : `${id} ASC` });
  const Sortable = (props: { id: string; text: string; numeric?: boolean }) => (
    <th scope="col" aria-sort={direction(props.id) ?? "none"} classList={{ number: props.numeric }}>
      <button class="sort" onClick={() => turn(props.id)} title={`Order by ${props.text}`}>
        {props.text}<span aria-hidden="true">{direction(props.id) === "ascending" ? " ↑" : direction(props.id) === "descending" ? " ↓" : ""}</span>
      </button>
    </th>
  );
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setQuery({ filter: String(new FormData(event.target as HTMLFormElement).get("filter") ?? "").trim() || undefined });
  };
  const note = () => experiment.data()?.tags?.find((t) => t.key === "mlflow.note.content")?.value;

  return (
    <Page title={experiment.data()?.name ?? `Experiment ${params.experiment}`} trail={[["Experiments", "#/experiments"]]}>
      <Show when={note()}>{(text) => <p class="note">{text()}</p>}</Show>
      <Show when={experiment.error()}>{(e) => <Problem error={e()} />}</Show>
      <Show when={!experiment.error()}>
        <form class="bar" role="search" onSubmit={submit}>
          <label for="filter">Filter</label>
          <input id="filter" name="filter" value={filter()} spellcheck={false} autocomplete="off"
            placeholder={'metrics.rmse < 0.5 and params.depth = "6"'} title={'metrics.rmse < 0.5 and params.depth = "6" and attributes.status = "FINISHED"'} />
          <button type="submit">Apply</button>
          <label><input type="checkbox" onChange={(e) => setOnlyDiffering(e.currentTarget.checked)} /> only differing</label>
          <details class="columns"><summary>Columns</summary>
            <div class="menu"><For each={["metrics", "params"] as Kind[]}>{(kind) => (
              <fieldset><legend>{kind === "metrics" ? "Metrics" : "Params"}</legend>
                <For each={all()[kind]} fallback={<span class="quiet">none</span>}>{(c, i) => (
                  <label><input type="checkbox" checked={picked()[c.id] ?? i() < shownAtFirst}
                    onChange={(e) => setPicked({ ...picked(), [c.id]: e.currentTarget.checked })} />{c.key}</label>
                )}</For>
              </fieldset>
            )}</For></div>
          </details>
        </form>
        <Show when={chosen().length}>
          <p class="bar" role="status">
            <span>{chosen().length} chosen</span>
            <Show when={chosen().length > 1 && chosen().length <= comparedMax} fallback={<span class="quiet">{chosen().length < 2 ? "choose another one to compare with" : `at most ${comparedMax} are compared`}</span>}>
              <a href={paths.compare(params.experiment, chosen())}>Compare</a>
            </Show>
            <button onClick={() => setChosen([])}>Choose none</button>
          </p>
        </Show>
        <Loaded from={runs}>{(data) => (
          <Show when={data().items.length} fallback={
            <Show when={filter()} fallback={<Empty title="No runs yet"><p>The next script that logs here appears within seconds:</p><Code text={firstScript().replace('"first"', JSON.stringify(experiment.data()?.name ?? "first"))} /></Empty>}>
              <Empty title="No run matches"><p>Comparisons are joined with <code>and</code>; values of params and tags are in quotes.</p><button onClick={() => setQuery({ filter: undefined })}>Show all runs</button></Empty>
            </Show>}>
            <div class="scroll"><table class="runs">
              <caption class="sr">Runs of {experiment.data()?.name}</caption>
              <thead><tr>
                <th scope="col"><span class="sr">Compare</span></th><th scope="col">Run</th><th scope="col">State</th><Sortable id="attributes.start_time" text="Started" />
                <th scope="col" class="number">Took</th>
                <For each={shown()}>{(c) => <Sortable id={c.id} text={c.key} numeric={c.kind === "metrics"} />}</For>
              </tr></thead>
              <tbody><For each={data().items}>{(run) => {
                const values = { metrics: valuesOf(run, "metrics"), params: valuesOf(run, "params") };
                const name = run.info.run_name || run.info.run_id.slice(0, 8);
                return (
                  <tr>
                    <td><input type="checkbox" aria-label={`Compare ${name}`} checked={chosen().includes(run.info.run_id)} onChange={(e) => choose(run.info.run_id, e.currentTarget.checked)} /></td>
                    <th scope="row"><a href={paths.run(run.info.experiment_id, run.info.run_id)}>{name}</a></th>
                    <td><State of={run.info.status} /></td>
                    <td><Time ms={run.info.start_time} /></td>
                    <td class="number">{run.info.end_time && run.info.start_time ? duration(run.info.end_time - run.info.start_time) : ""}</td>
                    <For each={shown()}>{(c) => <td classList={{ number: c.kind === "metrics", param: c.kind === "params" }}>{values[c.kind].get(c.key) ?? ""}</td>}</For>
                  </tr>
                );
              }}</For></tbody>
            </table></div>
            <Pager pages={pages} next={data().next} shown={data().items.length} what="Runs" rows={rowsPerPage} />
          </Show>
        )}</Loaded>
      </Show>
    </Page>
  );
}
