import { useParams, useSearchParams } from "@solidjs/router";
import { createMemo, createSignal, For, Show } from "solid-js";
import { getExperiment, getRun, type Run } from "../api";
import { columnsOf, valuesOf, type Kind } from "../differing";
import { Empty, Loaded, Page, paths, State } from "../pieces";
import { createPolled } from "../polled";

const kinds: [Kind, string][] = [["metrics", "Metrics"], ["params", "Params"]];

function Values(props: { runs: Run[]; kind: Kind; title: string; onlyDiffering: boolean }) {
  const rows = createMemo(() => columnsOf(props.runs, props.kind).filter((row) => row.differs || !props.onlyDiffering));
  const values = createMemo(() => props.runs.map((run) => valuesOf(run, props.kind)));
  return (
    <tbody>
      <tr class="part"><th scope="rowgroup" colspan={props.runs.length + 1}>{props.title}</th></tr>
      <For each={rows()} fallback={<tr><td class="quiet" colspan={props.runs.length + 1}>{props.onlyDiffering ? "None differ." : "None."}</td></tr>}>{(row) => (
        <tr classList={{ differs: row.differs }}>
          <th scope="row">{row.key}</th>
          <For each={values()}>{(of) => <td>{of.get(row.key) ?? <span class="quiet">absent</span>}</td>}</For>
        </tr>
      )}</For>
    </tbody>
  );
}

/// Runs side by side; what differs comes first.
export function Compare() {
  const params = useParams<{ experiment: string }>();
  const [query] = useSearchParams<{ runs?: string }>();
  const ids = () => String(query.runs ?? "").split(",").filter((id) => id !== "");
  const experiment = createPolled(() => params.experiment, getExperiment);
  const runs = createPolled(ids, (all, signal) => Promise.all(all.map((id) => getRun(id, signal))),
    (data) => (data?.some((r) => r.info.status === "RUNNING") ? 3000 : null));
  const [onlyDiffering, setOnlyDiffering] = createSignal(false);
  return (
    <Page title="Runs side by side" trail={[["Experiments", "#/experiments"], [experiment.data()?.name ?? params.experiment, paths.experiment(params.experiment)]]}>
      <Loaded from={runs}>{(data) => (
        <Show when={data().length} fallback={<Empty title="No runs to compare"><p>Choose some in the <a href={paths.experiment(params.experiment)}>experiment</a>.</p></Empty>}>
          <p class="bar"><label><input type="checkbox" onChange={(e) => setOnlyDiffering(e.currentTarget.checked)} /> only differing</label></p>
          <div class="scroll"><table class="runs compare"><caption class="sr">Runs side by side</caption>
            <thead><tr>
              <th scope="col">Run</th>
              <For each={data()}>{(run) => <th scope="col"><a href={paths.run(run.info.experiment_id, run.info.run_id)}>{run.info.run_name || run.info.run_id.slice(0, 8)}</a><br /><State of={run.info.status} /></th>}</For>
            </tr></thead>
            <For each={kinds}>{([kind, title]) => <Values runs={data()} kind={kind} title={title} onlyDiffering={onlyDiffering()} />}</For>
          </table></div>
        </Show>
      )}</Loaded>
    </Page>
  );
}
