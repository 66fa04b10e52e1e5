/** Puts the page together: the form, the examples, the lanes, the keyboard. */

import { offer } from "./examples.js";
import { Lane, make } from "./lane.js";
import { UNLIMITED, parseBudgets, toBody } from "./request.js";
import { Failure, models } from "./stream.js";

const at = (id) => document.getElementById(id);
const form = at("form");
const KEY = "s1-key";
const LEAST_SCALE = 64;

let running = null;
let served = null;
let offered = null;

// -- what the form says ----------------------------------------------------------------------------------

const mode = () => form.elements.mode.value;

/** The number in a field; null where it is empty. Throws an Error where it is none. */
function number(id) {
  const input = at(id);
  const name = form.querySelector(`label[for="${id}"]`).textContent;
  if (!input.validity.valid) throw Object.assign(new Error(`${name}: ${input.validationMessage}`), { input });
  return input.value === "" ? null : Number(input.value);
}

/** The fields that are set. */
const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

const hasBudget = () => !at("budget").disabled;

function budgets() {
  if (!hasBudget()) return [{}];
  const shared = given({ min_tokens: number("minimum"), nudge: at("nudge").value || null });
  if (mode() === "many") return parseBudgets(at("budgets").value, shared);
  return [{ ...given({ max_tokens: number("maximum"), num_waits: number("waits") }), ...shared }];
}

function bodies() {
  const question = at("question").value.trim();
  if (!question) throw Object.assign(new Error("Write a question first."), { input: at("question") });
  const fields = { question, temperature: number("temperature"), total: number("total") };
  return budgets().map((budget) => toBody({ model: at("model").value, ...fields, budget }));
}

// -- asking ----------------------------------------------------------------------------------------------

async function ask() {
  if (running) return;
  complain(null);
  if (!served) await meet();
  if (!served) return;
  let asked;
  try {
    asked = bodies();
  } catch (error) {
    complain(error);
    return;
  }
  const options = { key: at("key").value, watched: hasBudget(), onCount: () => draw(lanes) };
  const lanes = asked.map((body) => new Lane(body, options));
  at("empty").hidden = true;
  at("lanes").replaceChildren(...lanes.map((lane) => lane.element));
  at("lanes").classList.toggle("alone", lanes.length === 1);
  draw(lanes);
  if (matchMedia("(max-width: 860px)").matches) at("results").scrollIntoView();
  running = new AbortController();
  busy(true);
  tell("Thinking.");
  const failures = await Promise.all(lanes.map((lane) => lane.run(running.signal)));
  running = null;
  busy(false);
  tell(lanes.map((lane) => `${lane.title.textContent}: ${lane.summary()}`).join(" "));
  wantKey(failures.find((failure) => failure?.status === 401));
}

function draw(lanes) {
  const most = Math.max(LEAST_SCALE, ...lanes.flatMap((lane) => [lane.tokens, lane.maximum, lane.minimum]));
  const scale = lanes.some((lane) => lane.maximum === UNLIMITED) ? most * 1.1 : most;
  lanes.forEach((lane) => lane.draw(Math.ceil(scale)));
}

function stop() {
  running?.abort();
}

function busy(is) {
  at("ask").disabled = is;
  at("stop").disabled = !is;
  at("results").setAttribute("aria-busy", String(is));
}

function tell(news) {
  at("news").textContent = news;
}

function complain(error) {
  at("mistake").textContent = error?.message ?? "";
  at("mistake").hidden = !error;
  error?.input?.focus();
}

function wantKey(refused) {
  if (!refused) return;
  at("more").open = true;
  at("key").focus();
}

// -- the server ------------------------------------------------------------------------------------------

async function meet() {
  const box = at("served");
  try {
    const list = await models(at("key").value);
    at("model").replaceChildren(...list.map(({ id }) => make("option", { value: id, text: id })));
    at("model-field").hidden = list.length < 2;
    served = new Map(list.map((model) => [model.id, model]));
    sayModel();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const again = make("button", { type: "button", text: "Try again" });
    again.addEventListener("click", meet);
    box.replaceChildren(error.message, " ", again);
    box.dataset.state = "failed";
    wantKey(error.status === 401 ? error : null);
  }
}

function sayModel() {
  const { id, thinking_family: family, max_model_len: context } = served.get(at("model").value);
  at("served").dataset.state = "ready";
  at("served").textContent = family
    ? `${id}, ${context} tokens of context`
    : `${id} has no thinking marks that are known here: it takes no budget`;
  at("budget").disabled = !family;
  const { examples, about, temperature } = offer(id);
  at("examples").replaceChildren(...examples.map(example));
  at("about").textContent = about;
  at("about").hidden = !about;
  if (id !== offered) {
    offered = id;
    at("temperature").value = temperature;
    at("question").value ||= examples[0].question;
  }
  stops = [...STOPS.filter((tokens) => tokens < context), UNLIMITED];
  at("slider").max = String(stops.length - 1);
  slide();
}

function example({ label, question }) {
  const button = make("button", { type: "button", text: label, title: question });
  button.addEventListener("click", () => {
    at("question").value = question;
    at("question").focus();
  });
  return button;
}

// -- the slider ------------------------------------------------------------------------------------------

const STOPS = [0, ...Array.from({ length: 14 }, (_, power) => 8 << power)];
let stops = [...STOPS, UNLIMITED];

/** The slider follows the number. */
function slide() {
  const { value } = at("maximum");
  const above = stops.findIndex((tokens) => tokens === UNLIMITED || (value !== "" && tokens >= Number(value)));
  const place = value === "" ? stops.length - 1 : above;
  at("slider").value = String(place);
  at("slider").setAttribute("aria-valuetext", value === "" ? "unlimited" : `${value} tokens`);
}

/** The number follows the slider. */
function slid() {
  const tokens = stops[Number(at("slider").value)];
  at("maximum").value = tokens === UNLIMITED ? "" : String(tokens);
  slide();
}

// -- wiring ----------------------------------------------------------------------------------------------

function switchMode() {
  const many = mode() === "many";
  at("many").hidden = !many;
  at("one").hidden = at("waits-field").hidden = many;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
at("stop").addEventListener("click", stop);
at("maximum").addEventListener("input", slide);
at("slider").addEventListener("input", slid);
at("model").addEventListener("change", sayModel);
form.elements.mode.forEach((radio) => radio.addEventListener("change", switchMode));
at("key").value = sessionStorage.getItem(KEY) ?? "";
at("key").addEventListener("change", () => {
  sessionStorage.setItem(KEY, at("key").value);
  meet();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask();
  if (event.key === "Escape") stop();
});
switchMode();
slide();
await meet();
