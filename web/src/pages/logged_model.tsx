import { useParams } from "@solidjs/router";
import { getExperiment, getLoggedModel } from "../api";
import { Facts, Loaded, Page, Pairs, paths, State, Tags, Time } from "../pieces";
import { createPolled } from "../polled";
import { Show } from "solid-js";

export function LoggedModelPage() {
  const params = useParams<{ experiment: string; model: string }>();
  const model = createPolled(() => params.model, getLoggedModel, (data) => (data?.info.status === "LOGGED_MODEL_PENDING" ? 3000 : null));
  const experiment = createPolled(() => params.experiment, getExperiment);
  return (
    <Page title={model.data()?.info.name || params.model} aside={<Show when={model.data()}>{(m) => <State of={m().info.status} />}</Show>}
      trail={[["Experiments", "#/experiments"], [experiment.data()?.name ?? params.experiment, paths.experiment(params.experiment)]]}>
      <Loaded from={model}>{(m) => (
        <>
          <Facts rows={[
            ["Model id", <code>{m().info.model_id}</code>],
            ["Created", <Time ms={m().info.creation_timestamp_ms} />],
            ["Type", m().info.model_type],
            ["Made by run", m().info.source_run_id && <a href={paths.run(m().info.experiment_id, m().info.source_run_id!)}><code>{m().info.source_run_id}</code></a>],
            ["Files", m().info.artifact_uri && <code>{m().info.artifact_uri}</code>],
          ]} />
          <div class="columns2">
            <section aria-labelledby="params"><h2 id="params">Params</h2><Pairs caption="Params" rows={m().data?.params ?? []} none="No params." /></section>
            <section aria-labelledby="tags"><h2 id="tags">Tags</h2><Tags tags={m().info.tags ?? []} /></section>
          </div>
        </>
      )}</Loaded>
    </Page>
  );
}
