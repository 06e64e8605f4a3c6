import { For, Show } from "solid-js";
import { searchExperiments } from "../api";
import { Code, createPages, Empty, Loaded, Page, Pager, paths, Time } from "../pieces";
import { createPolled } from "../polled";

export const firstScript = () => `import mlflow

mlflow.set_tracking_uri("${location.origin}")
mlflow.set_experiment("first")
with mlflow.start_run():
    mlflow.log_param("depth", 6)
    for step in range(100):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)`;

export function Experiments() {
  const pages = createPages();
  const page = createPolled(pages.token, searchExperiments, () => 10_000);
  const untouched = () => pages.index() === 0 && (page.data()?.items ?? []).every((e) => e.name === "Default");
  return (
    <Page title="Experiments">
      <Loaded from={page}>{(data) => (
        <>
          <Show when={data().items.length}>
            <div class="scroll"><table>
              <caption class="sr">Experiments, the last changed first</caption>
              <thead><tr><th scope="col">Name</th><th scope="col">Id</th><th scope="col">Created</th><th scope="col">Changed</th></tr></thead>
              <tbody><For each={data().items}>{(e) => (
                <tr>
                  <th scope="row"><a href={paths.experiment(e.experiment_id)}>{e.name}</a></th>
                  <td>{e.experiment_id}</td><td><Time ms={e.creation_time} /></td><td><Time ms={e.last_update_time} /></td>
                </tr>
              )}</For></tbody>
            </table></div>
            <Pager pages={pages} next={data().next} shown={data().items.length} what="Experiments" rows={100} />
          </Show>
          <Show when={untouched()}>
            <Empty title="Log a first run"><p>With Python and the stock <code>mlflow</code> package:</p><Code text={firstScript()} /></Empty>
          </Show>
        </>
      )}</Loaded>
    </Page>
  );
}
