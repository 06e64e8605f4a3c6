import { HashRouter, Route, useLocation, type RouteSectionProps } from "@solidjs/router";
import { For, Show } from "solid-js";
import { render } from "solid-js/web";
import { Empty, Page } from "./pieces";
import { Compare } from "./pages/compare";
import { watchClock } from "./clock";
import { Login, Myself, meetServer, stranger } from "./session";
import { DeploymentPage, Deployments } from "./pages/deployment";
import { EventPage, Happened } from "./pages/events";
import { Experiments } from "./pages/experiments";
import { Home } from "./pages/home";
import { IncidentPage } from "./pages/incident";
import { LineagePage, RunById } from "./pages/lineage";
import { LoggedModelPage } from "./pages/logged_model";
import { ModelPage, Models } from "./pages/models";
import { PredictionPage, Predictions } from "./pages/predictions";
import { RunPage } from "./pages/run";
import { Runs } from "./pages/runs";
import { Serving } from "./pages/serving";
import { VersionPage } from "./pages/version";
import "./style.css";

const areas: [string, string][] = [["/", "Home"], ["/deployments", "Deployments"], ["/predictions", "Predictions"], ["/experiments", "Experiments"], ["/models", "Models"], ["/serving", "Serving"]];

function Frame(props: RouteSectionProps) {
  const here = useLocation();
  watchClock();
  meetServer();
  const isHere = (path: string) => (path === "/" ? here.pathname === "/" : here.pathname === path || here.pathname.startsWith(path + "/"));
  const skip = (event: Event) => { event.preventDefault(); document.querySelector<HTMLElement>("main")?.focus(); };
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>Skip to the content</a>
      <header>
        <a class="brand" href="#/">Slipway</a>
        <nav aria-label="Main"><For each={areas}>{([path, name]) => <a href={"#" + path} aria-current={isHere(path) ? "page" : undefined}>{name}</a>}</For></nav>
        <Myself />
      </header>
      <main id="main" tabindex="-1"><Show when={!stranger()} fallback={<Login />}>{props.children}</Show></main>
    </>
  );
}

const Lost = () => <Page title="No such page"><Empty title="There is nothing at this address"><p>Start from the <a href="#/">home page</a>.</p></Empty></Page>;

render(() => (
  <HashRouter root={Frame}>
    <Route path="/" component={Home} />
    <Route path="/deployments" component={Deployments} />
    <Route path="/deployments/:name" component={DeploymentPage} />
    <Route path="/incidents/:id" component={IncidentPage} />
    <Route path="/events" component={Happened} />
    <Route path="/events/:seq" component={EventPage} />
    <Route path="/predictions" component={Predictions} />
    <Route path="/predictions/:id" component={PredictionPage} />
    <Route path="/experiments" component={Experiments} />
    <Route path="/experiments/:experiment" component={Runs} />
    <Route path="/experiments/:experiment/compare" component={Compare} />
    <Route path="/experiments/:experiment/runs" component={Runs} />
    <Route path="/experiments/:experiment/runs/:run/*rest" component={RunPage} />
    <Route path="/experiments/:experiment/models/:model/*rest" component={LoggedModelPage} />
    <Route path="/runs/:run" component={RunById} />
    <Route path="/lineage/:subject" component={LineagePage} />
    <Route path="/models" component={Models} />
    <Route path="/models/:name" component={ModelPage} />
    <Route path="/models/:name/versions/:version" component={VersionPage} />
    <Route path="/serving" component={Serving} />
    <Route path="*rest" component={Lost} />
  </HashRouter>
), document.getElementById("app")!);
