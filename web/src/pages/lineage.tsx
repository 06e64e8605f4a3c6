import { useNavigate, useParams } from "@solidjs/router";
import { createEffect, For, Show, type JSX } from "solid-js";
import { explain, getRun, type Chain, type GraphEdge, type GraphNode } from "../api";
import { utc } from "../format";
import { Code, Empty, Facts, Loaded, Page, paths, Time } from "../pieces";
import { createPolled } from "../polled";

const explained = ["run", "data", "model", "attempt", "commit", "environment", "params", "model_version", "pipeline_run", "firing", "verdict", "window", "rollout_step",
  "contract_version", "feature_view_version", "message", "alert", "tick", "profile"];
const words = (text: string) => text.replaceAll("_", " ");
const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

/// The page of a thing named "kind:id", where there is one.
export function pageOf(ref: string): string | undefined {
  const [kind, id] = split(ref);
  if (kind === "run") return paths.runById(id);
  if (kind === "deployment") return paths.deployment(id);
  if (kind === "incident") return paths.incident(id);
  if (kind === "prediction") return paths.prediction(id);
  if (kind === "model_version") return paths.version(id.slice(0, id.lastIndexOf("/")), id.slice(id.lastIndexOf("/") + 1));
  return explained.includes(kind) ? paths.lineage(ref) : undefined;
}
export function split(ref: string): [string, string] {
  const colon = ref.indexOf(":");
  return [ref.slice(0, colon), ref.slice(colon + 1)];
}
export const find = (chain: Chain, ref: string): GraphNode | undefined => chain.nodes.find((n) => `${n.kind}:${n.id}` === ref);

/// What a thing is called: a stage for an attempt, the first digits for what is known by a digest.
export function nameOf(chain: Chain, ref: string): string {
  const [kind, id] = split(ref);
  const attributes = find(chain, ref)?.attributes ?? {};
  if (kind === "attempt") return `attempt of ${attributes.stage ?? id}`;
  if (kind === "run") return `run ${attributes.name || id.slice(0, 8)}`;
  if (kind === "pipeline_run") return `pipeline run of ${attributes.pipeline ?? id}`;
  if (kind === "firing") return `trigger ${attributes.trigger ?? id}`;
  if (kind === "incident") return `incident of ${attributes.monitor ?? id}${attributes.deployment ? ` of ${attributes.deployment}` : ""}`;
  if (kind === "verdict") return text(attributes.check ?? id);
  if (kind === "window") return `window of ${utc(Number(attributes.start_ms)) || id}${attributes.end_ms ? ` to ${utc(Number(attributes.end_ms))}` : ""}`;
  if (kind === "rollout_step") return `${attributes.phase ? words(text(attributes.phase)) : "step"}${attributes.percent ? ` at ${attributes.percent} %` : ""}`;
  if (kind === "commit") return `commit ${id.slice(0, 12)}`;
  if (kind === "model_version") return `model ${id.replace(/\/(\d+)$/, " version $1")}`;
  return `${words(kind)} ${/^[0-9a-f]{32}/.test(id) ? id.slice(0, 12) : id}`;
}

function Thing(props: { chain: Chain; at: string; edge: GraphEdge }) {
  const page = () => pageOf(props.at);
  const name = () => nameOf(props.chain, props.at);
  const path = () => props.edge.attributes.path;
  return (
    <>
      <Show when={path()}><b>{text(path())}</b>: </Show>
      <Show when={page()} fallback={<span>{name()}</span>}>{(href) => <a href={href()}>{name()}</a>}</Show>
      <Show when={props.edge.attributes.dirty}>{" "}<span class="tag bad" title={`digest of the changes: ${text(props.edge.attributes.diff ?? "unknown")}`}>dirty</span> <span class="quiet">with uncommitted changes</span></Show>
    </>
  );
}

/// Where a run comes from: the attempt of a stage that made it, and what that used.
export function RunOrigin(props: { run: string; live: boolean }) {
  const chain = createPolled(() => `run:${props.run}`, (subject, signal) => explain(subject, "causes", signal), () => (props.live ? 10_000 : null));
  const causes = (data: Chain, effect: string) => data.edges.filter((e) => e.effect === effect);
  const attempts = (data: Chain) => causes(data, data.subject).filter((e) => e.relation === "produced_by");
  const fact = (data: Chain, attempt: string, name: string) => text(find(data, attempt)?.attributes[name] ?? "");
  return (
    <section aria-labelledby="origin"><h2 id="origin">Where it comes from</h2>
      <Show when={chain.data() || chain.loading() || chain.error()} fallback={<p class="quiet">No stage of a pipeline made this run.</p>}>
        <Loaded from={chain}>{(data) => (
          <For each={attempts(data()!)} fallback={<p class="quiet">No stage of a pipeline made this run.</p>}>{(made) => (
            <>
              <Facts rows={[
                ["Made by", <Thing chain={data()!} at={made.cause} edge={made} />],
                ["Stage", fact(data()!, made.cause, "stage")],
                ["Pipeline", fact(data()!, made.cause, "pipeline")],
                ["Command", fact(data()!, made.cause, "command") && <code>{fact(data()!, made.cause, "command")}</code>],
                ["State", fact(data()!, made.cause, "state")],
              ]} />
              <ul class="plain"><For each={causes(data()!, made.cause)}>{(edge) => <li>{words(edge.relation)} <Thing chain={data()!} at={edge.cause} edge={edge} /></li>}</For></ul>
              <p><a href={paths.lineage(`run:${props.run}`)}>Lineage of this run</a></p>
            </>
          )}</For>
        )}</Loaded>
      </Show>
    </section>
  );
}

function Attribute(props: { name: string; value: unknown }): JSX.Element {
  if (props.name.endsWith("_ms") && typeof props.value === "number") return <Time ms={props.value} />;
  if (props.value !== null && typeof props.value === "object") return <details><summary>{Array.isArray(props.value) ? `${props.value.length} items` : `${Object.keys(props.value).length} entries`}</summary><Code text={JSON.stringify(props.value, null, 2)} /></details>;
  return <span>{text(props.value)}</span>;
}

function Edges(props: { title: string; none: string; chain: Chain; edges: GraphEdge[]; far: "cause" | "effect" }) {
  return (
    <section><h2>{props.title}</h2>
      <ul class="plain"><For each={props.edges} fallback={<li class="quiet">{props.none}</li>}>{(edge) => (
        <li><Show when={props.far === "cause"}>{words(edge.relation)} </Show><Thing chain={props.chain} at={edge[props.far]} edge={edge} /><Show when={props.far === "effect"}> <span class="quiet">{words(edge.relation)} it</span></Show></li>
      )}</For></ul>
    </section>
  );
}

/// One thing of the asset graph with its neighbours on both sides.
export function LineagePage() {
  const params = useParams<{ subject: string }>();
  const subject = () => decodeURIComponent(params.subject);
  const sides = createPolled(subject, async (of, signal) => ({ causes: await explain(of, "causes", signal), effects: await explain(of, "effects", signal) }));
  const title = () => { const causes = sides.data()?.causes; return causes ? nameOf(causes, causes.subject) : subject(); };
  const node = () => { const causes = sides.data()?.causes; return causes && find(causes, causes.subject); };
  return (
    <Page title={title()}>
      <Loaded from={sides}>{(data) => (
        <Show when={data().causes} fallback={<Empty title="Nothing is known of it"><p><code>{subject()}</code> is not in the asset graph of this server.</p></Empty>}>{(causes) => (
          <>
            <Facts rows={[["Id", <code>{causes().subject}</code>], ["Known since", <Time ms={node()?.created_ms} />],
              ...Object.entries(node()?.attributes ?? {}).map(([name, value]): [string, JSX.Element] => [words(name.replace(/_ms$/, "")), <Attribute name={name} value={value} />])]} />
            <div class="columns2">
              <Edges title="Comes from" none="Nothing that is known." chain={causes()} edges={causes().edges.filter((e) => e.effect === causes().subject)} far="cause" />
              <Show when={data().effects}>{(effects) => <Edges title="Led to" none="Nothing yet." chain={effects()} edges={effects().edges.filter((e) => e.cause === effects().subject)} far="effect" />}</Show>
            </div>
            <section><h2>On the command line</h2><Code text={`slipway explain ${causes().subject.replace(/^model_version:/, "models:/")}`} /></section>
          </>
        )}</Show>
      )}</Loaded>
    </Page>
  );
}

/// A link that knows only the run goes on to the run's page.
export function RunById() {
  const params = useParams<{ run: string }>();
  const navigate = useNavigate();
  const run = createPolled(() => params.run, getRun);
  createEffect(() => {
    const info = run.data()?.info;
    if (info) navigate(paths.run(info.experiment_id, info.run_id).slice(1), { replace: true });
  });
  return <Page title={`Run ${params.run.slice(0, 8)}`}><Loaded from={run}>{() => <></>}</Loaded></Page>;
}
