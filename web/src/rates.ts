import { createMemo } from "solid-js";
import { listAnswers, type Answers } from "./api";
import { createPolled } from "./polled";

const pauseMs = 5_000;

interface Looks { before?: Answers; now?: Answers }

/// Answers in a minute between two looks; undefined before the second one, and after a server or its rules began anew.
export function rateBetween(before: Answers | undefined, now: Answers | undefined, deployment: string): number | undefined {
  const find = (all: Answers | undefined) => all?.answers.find((a) => a.deployment === deployment);
  const [old, fresh] = [find(before), find(now)];
  const ms = (now?.monotonic_ms ?? 0) - (before?.monotonic_ms ?? 0);
  if (!old || !fresh || ms <= 0 || fresh.answered < old.answered) return undefined;
  return (60_000 * (fresh.answered - old.answered)) / ms;
}

/// How many answers each deployment gives in a minute just now: one question for all of them.
export function createRates(): (deployment: string) => number | undefined {
  const answers = createPolled(() => 0, (_, signal) => listAnswers(signal), () => pauseMs);
  const looks = createMemo((last: Looks): Looks => ({ before: last.now, now: answers.data() }), {} as Looks);
  return (deployment) => rateBetween(looks().before, looks().now, deployment);
}
