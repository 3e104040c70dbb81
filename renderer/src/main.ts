import { mount } from "svelte";
import AppView from "./app.svelte";
import Stopped from "./components/stopped.svelte";
import { inFlurries } from "./event-flurry.js";
import { connectHost } from "./host.js";
import { App } from "./state/app.svelte.js";
import "./styles/tokens.css";
import "./styles/tones.css";
import "./styles/base.css";

const target = document.body.querySelector("#app") ?? document.body;

try {
  // Mounted only once it is known whether there is an account: no flash of the sign-up page.
  const app = new App(inFlurries(await connectHost()));
  await app.load();
  mount(AppView, { target, props: { app } });
} catch (thrown) {
  mount(Stopped, { target, props: { thrown } });
}
