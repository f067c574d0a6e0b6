// Shows and steers the rig through its API. All words of others become text, never markup.
import { Plots } from "./plots.js";

const EVERY_MS = 2000;
const EVENTS_SHOWN = 200;
const TOKEN = "hlsswarm-token";
const at = (id) => document.getElementById(id);
const path = (...words) => words.map(encodeURIComponent).join("/");
const number = (n) => n.toLocaleString("en-GB");

// --- the API -------------------------------------------------------------------------------------

class Refused extends Error {}

const ask = async (method, where, body) => {
  const headers = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(where, {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store",
  });
  if (answer.status === 401) showToken();
  if (!answer.ok) throw new Refused(await refusal(answer));
  return answer;
};
const asked = async (...words) => (await ask(...words)).json();

const refusal = async (answer) => {
  try {
    const { error, hint, problems } = await answer.json();
    if (problems.length) return problems.map((p) => `${p.where}: ${p.sentence} ${p.hint}`).join("\n");
    return [error, hint].filter(Boolean).join(" ");
  } catch {
    return `The rig answers ${answer.status}.`;
  }
};

const showToken = () => {
  sessionStorage.removeItem(TOKEN);
  if (!at("token").hidden) return;
  at("token").hidden = false;
  at("rig").hidden = true;
  at("secret").focus();
};

let tried = false;
at("token").addEventListener("submit", (event) => {
  event.preventDefault();
  tried = true;
  sessionStorage.setItem(TOKEN, at("secret").value.trim());
  at("secret").value = "";
  at("token").hidden = true;
  look();
  follow();
});

// --- elements ------------------------------------------------------------------------------------

const made = (tag, name, text) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
};

const told = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

const badge = (element, word) => {
  element.hidden = !word;
  told(element, word ? word.replace("_", " ") : "");
  element.className = `badge ${word || ""}`;
};

// A button that does something at once, or asks to be pressed twice.
const button = (words, act, problem, { twice = false, name = "" } = {}) => {
  const element = made("button", name, words);
  element.type = "button";
  let timer = 0;
  const calm = () => {
    clearTimeout(timer);
    timer = 0;
    element.textContent = words;
    element.classList.remove("sure");
  };
  element.addEventListener("click", async () => {
    if (twice && !timer) {
      element.textContent = `Really ${words.toLowerCase()}?`;
      element.classList.add("sure");
      timer = setTimeout(calm, 4000);
      return;
    }
    calm();
    await during(element, problem, act);
  });
  return element;
};

const during = async (element, problem, act) => {
  element.disabled = true;
  problem.textContent = "";
  try {
    await act();
    await look();
  } catch (error) {
    problem.textContent = error instanceof Refused ? error.message : "The rig does not answer.";
  } finally {
    element.disabled = false;
  }
};

// --- swarms --------------------------------------------------------------------------------------

const STATES = [
  ["streaming", "Streaming"], ["starting", "Starting"], ["buffering", "Buffering"], ["backoff", "Back-off"],
];

class Swarm {
  constructor(name) {
    this.name = name;
    this.url = `/v1/swarms/${path(name)}`;
    this.element = made("article", "card");
    this.element.setAttribute("aria-label", `Swarm ${name}`);
    const head = made("div", "head");
    this.state = made("span", "badge");
    this.verdict = made("span", "badge");
    head.append(made("h3", "", name), this.state, this.verdict);
    this.where = made("p", "where");
    this.reason = made("p", "reason");
    this.problem = made("p", "problem");
    this.problem.setAttribute("role", "alert");
    this.figures = made("dl", "figures");
    this.cells = new Map();
    this.thresholds = made("ul", "thresholds");
    const plots = made("div", "plots");
    this.element.append(head, this.where, this.reason, this.figures, this.thresholds, plots, this.buttons(), this.problem);
    this.plots = new Plots(plots);
  }

  post(action) {
    return () => ask("POST", `${this.url}/${action}`);
  }

  buttons() {
    const row = made("div", "buttons");
    this.scale = made("form");
    this.clients = made("input");
    Object.assign(this.clients, { type: "number", min: "1", required: true });
    this.clients.setAttribute("aria-label", `Clients of ${this.name}`);
    this.clients.addEventListener("input", () => { this.typed = true; });
    const scale = made("button", "main", "Scale");
    scale.type = "submit";
    this.scale.append(this.clients, scale);
    this.scale.addEventListener("submit", (event) => {
      event.preventDefault();
      this.typed = false;
      during(scale, this.problem, () => ask("PATCH", this.url, { clients: Number(this.clients.value) }));
    });
    this.pause = button("Pause ramp", this.post("pause"), this.problem);
    this.resume = button("Resume ramp", this.post("resume"), this.problem);
    this.again = button("Start stopped clients", this.post("resume-clients"), this.problem);
    this.stop = button("Stop", this.post("stop"), this.problem, { twice: true });
    this.start = button("Start", this.post("start"), this.problem, { name: "main" });
    this.remove = button("Remove", () => ask("DELETE", this.url), this.problem, { twice: true });
    row.append(this.scale, this.pause, this.resume, this.again, this.stop, this.start, this.remove);
    return row;
  }

  figure(label, text, bad = false) {
    if (!this.cells.has(label)) {
      const cell = made("div");
      const value = made("dd");
      cell.append(made("dt", "", label), value);
      this.figures.append(cell);
      this.cells.set(label, value);
    }
    told(this.cells.get(label), text);
    this.cells.get(label).classList.toggle("bad", bad);
  }

  show(swarm) {
    const { clients, state } = swarm;
    const runs = ["waiting", "running", "paused"].includes(state);
    badge(this.state, state);
    badge(this.verdict, swarm.verdict);
    told(this.where, swarm.url);
    // A healthy swarm needs no words.
    const why = swarm.verdict && swarm.verdict !== "healthy" ? swarm.reasons : [];
    told(this.reason, [swarm.reason, ...why].filter(Boolean).join(" "));
    this.reason.hidden = !this.reason.textContent;
    this.figure("Clients", `${number(clients.active)} / ${number(clients.target)}`);
    for (const [word, label] of STATES) {
      const count = clients.states[word] || 0;
      this.figure(label, number(count), word === "backoff" && count > 0);
    }
    this.figure("Segments", number(swarm.requests.segment || 0));
    const failed = Object.values(swarm.failed_requests).reduce((a, b) => a + b, 0);
    this.figure("Failed requests", number(failed), failed > 0);
    this.figure("Restarts", number(swarm.restarts), swarm.restarts > 0);
    this.figure("Stalls", number(swarm.stalls), swarm.stalls > 0);
    if (clients.stopped_outside.length || this.cells.has("Stopped by hand")) {
      this.figure("Stopped by hand", number(clients.stopped_outside.length));
    }
    this.thresholds.replaceChildren(...swarm.thresholds.map((one) => {
      const words = `${one.passed ? "✓" : "✗"} ${one.threshold}`;
      return made("li", one.passed ? "" : "bad", one.value === null ? words : `${words} (now ${Number(one.value.toPrecision(3))})`);
    }));
    if (!this.typed && document.activeElement !== this.clients) this.clients.value = clients.target;
    this.scale.hidden = this.stop.hidden = !runs;
    this.start.hidden = runs;
    this.pause.hidden = state !== "running";
    this.resume.hidden = state !== "paused";
    this.again.hidden = !clients.stopped_outside.length;
  }

  async rows() {
    this.plots.add((await asked("GET", `${this.url}/rows?after=${this.plots.last}`)).rows);
  }
}

const swarms = new Map();

const showSwarms = (list) => {
  const names = new Set(list.map((swarm) => swarm.name));
  for (const [name, swarm] of swarms) {
    if (!names.has(name)) {
      swarm.element.remove();
      swarms.delete(name);
    }
  }
  for (const swarm of list) {
    if (!swarms.has(swarm.name)) {
      swarms.set(swarm.name, new Swarm(swarm.name));
      at("swarms").append(swarms.get(swarm.name).element);
    }
    swarms.get(swarm.name).show(swarm);
  }
  at("no-swarms").hidden = list.length > 0;
};

at("start").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const given = new FormData(form);
  during(form.querySelector("button"), at("start-problem"), async () => {
    await ask("POST", "/v1/swarms", {
      name: given.get("name"), url: given.get("url"),
      clients: Number(given.get("clients")), "ramp-rate": Number(given.get("ramp-rate")),
    });
    form.reset();
    at("new").open = false;
  });
});

// --- everything else -----------------------------------------------------------------------------

const items = new Map();

class Item {
  constructor({ kind, name }) {
    this.element = made("li");
    this.state = made("span", "badge");
    const words = made("span", "words");
    this.reason = made("span", "soft");
    words.append(made("strong", "", name), ` ${kind} `, this.reason);
    const url = `/v1/items/${path(kind, name)}`;
    const post = (action) => () => ask("POST", `${url}/${action}`);
    this.stop = button("Stop", post("stop"), at("item-problem"), { twice: true });
    this.start = button("Start", () => post(this.byHand ? "resume" : "start")(), at("item-problem"));
    for (const each of [this.stop, this.start]) each.setAttribute("aria-description", `${kind} ${name}`);
    this.element.append(this.state, words, this.stop, this.start);
  }

  show({ state, reason }) {
    badge(this.state, state);
    told(this.reason, reason);
    this.byHand = state === "stopped" && reason === "somebody stopped it";
    this.stop.hidden = state === "stopped";
    this.start.hidden = state !== "stopped";
  }
}

const showItems = (list) => {
  const key = (item) => `${item.kind} ${item.name}`;
  const there = new Set(list.map(key));
  for (const [name, item] of items) {
    if (!there.has(name)) {
      item.element.remove();
      items.delete(name);
    }
  }
  for (const item of list) {
    if (!items.has(key(item))) {
      items.set(key(item), new Item(item));
      at("items").append(items.get(key(item)).element);
    }
    items.get(key(item)).show(item);
  }
  at("others").hidden = list.length === 0;
};

// --- looking again and again ---------------------------------------------------------------------

let timer = 0;
let looking = null;

const look = () => {
  looking = looking || once().finally(() => { looking = null; });
  return looking;
};

const once = async () => {
  clearTimeout(timer);
  try {
    const rig = await asked("GET", "/v1/rig");
    at("rig").hidden = false;
    showSwarms(rig.swarms);
    showItems(rig.items);
    const active = rig.swarms.reduce((sum, swarm) => sum + swarm.clients.active, 0);
    const trouble = rig.state.trouble ? ` · its state cannot be saved: ${rig.state.trouble}` : "";
    say(`${number(active)} clients run · systemd: ${rig.manager} manager${trouble}`, Boolean(trouble));
    await Promise.all([...swarms.values()].map((swarm) => swarm.rows()));
  } catch (error) {
    if (!at("token").hidden) {
      say(tried ? "That is not the token." : "The token is missing.", true);
      return;
    }
    say(error instanceof Refused ? error.message : "The rig does not answer; trying again …", true);
  }
  clearTimeout(timer);
  timer = setTimeout(look, EVERY_MS);
};

const say = (words, lost) => {
  told(at("status"), words);
  at("status").classList.toggle("lost", lost);
};

// --- events: fetch, as EventSource can send no token ------------------------------------------------

let last = 0;
let following = false;

const showEvent = (event) => {
  const line = made("li");
  const when = new Date(event.time * 1000);
  const time = made("time", "", when.toLocaleTimeString("en-GB"));
  time.dateTime = when.toISOString();
  const words = made("span", "words");
  words.append(made("strong", "", event.item), ` ${event.kind}`, event.message ? `: ${event.message}` : "");
  line.append(time, words);
  at("events").prepend(line);
  while (at("events").childElementCount > EVENTS_SHOWN) at("events").lastElementChild.remove();
};

const follow = async () => {
  if (following) return;
  following = true;
  try {
    const answer = await ask("GET", `/v1/events/stream?after=${last}`);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const data = block.split("\n").find((line) => line.startsWith("data: "));
        if (!data) continue;
        const event = JSON.parse(data.slice(6));
        last = event.number;
        showEvent(event);
      }
    }
  } catch {
    // The next try is after a while.
  } finally {
    following = false;
  }
  if (at("token").hidden) setTimeout(follow, EVERY_MS);
};

const drawAgain = () => swarms.forEach((swarm) => swarm.plots.again());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);
let width = innerWidth;
window.addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  requestAnimationFrame(drawAgain);
});

at("host").textContent = location.hostname;
look();
follow();
