import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { start } from "./state/app.svelte";

const target = document.getElementById("app");
if (target !== null) {
  start();
  mount(App, { target });
}
