import { createSignal, Show } from "solid-js";
import { call, ApiError, onStranger } from "./api";

export interface Me { access: boolean; user: string; admin: boolean }

const [stranger, setStranger] = createSignal(false);
const [me, setMe] = createSignal<Me>();
export { stranger };

const base = "/api/slipway/v1/";

/// The server asks who one is: the page asks in its place.
onStranger(() => setStranger(true));

export async function meetServer() {
  try { setMe(await call<Me>("GET", base + "me", null, undefined)); } catch { /* a stranger, or no server */ }
}

async function logOut() {
  try { await call("POST", base + "logout", null, {}); } catch { /* over already */ }
  setMe(undefined);
  setStranger(true);
}

export function Login() {
  const [failed, setFailed] = createSignal("");
  const [busy, setBusy] = createSignal(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    setFailed("");
    try {
      setMe(await call<Me>("POST", base + "login", null, { user: given.get("user"), password: given.get("password") }));
      setStranger(false);
    } catch (error) {
      setFailed((error as ApiError).message);
    }
    setBusy(false);
  };
  return (
    <section class="login">
      <h1>Log in</h1>
      <form onSubmit={submit}>
        <label>User name <input name="user" autocomplete="username" required autofocus /></label>
        <label>Password <input name="password" type="password" autocomplete="current-password" required /></label>
        <button type="submit" disabled={busy()}>Log in</button>
        <Show when={failed()}><p role="alert">{failed()}</p></Show>
      </form>
    </section>
  );
}

export const Myself = () => (
  <Show when={me()?.access && !stranger()}>
    <span class="myself">{me()!.user} <button type="button" onClick={logOut}>Log out</button></span>
  </Show>
);
