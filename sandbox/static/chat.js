// The chat page: pick a robot, pick who you are, talk.

import { follow, get, post } from "./api.js";
import { avatar, byId, make } from "./dom.js";
import { connectFaults } from "./faults.js";
import { Conversation } from "./messages.js";
import { Wire } from "./wire.js";

const USERS = ["alice", "bob", "chen"];

const state = {
  apps: [],
  app: undefined, // the open conversation's app, robot and user
  robot: undefined,
  user: USERS[0],
  source: undefined,
  conversation: undefined,
  wire: undefined,
  waitingSince: undefined, // key of the message that locked the input
  unfinished: undefined, // key of the answer that is growing
  locksInput: localStorage.getItem("lock") !== "off",
};

// Robots

async function loadRobots() {
  const { apps, version } = await get("/apps");
  state.apps = apps;
  const items = apps.flatMap((app) => app.robots.map((robot) => robotItem(app, robot)));
  byId("robots").replaceChildren(...(items.length ? items : [noRobots()]));
  showPeer();
  return version;
}

function robotItem(app, robot) {
  const name = make("span", {},
    make("strong", { textContent: robot.nickname || robot.user_id }),
    make("small", { textContent: robot.user_id }));
  const button = make("button", { type: "button", title: `${app.label}, app ${app.app}` }, avatar(robot), name);
  button.ariaCurrent = String(app.app === state.app?.app && robot.user_id === state.robot);
  button.addEventListener("click", () => open(app.app, robot.user_id));
  return make("li", {}, button);
}

function noRobots() {
  const text = "No robot yet. As soon as one is saved in Parley, it appears here.";
  return make("li", { className: "none", textContent: text });
}

/** Until there is a robot to talk to. */
async function waitForRobots() {
  let version = await loadRobots();
  while (!state.apps.some((app) => app.robots.length)) {
    ({ version } = await get("/apps", { beyond: version, wait_s: 30 }));
    await loadRobots();
  }
}

// One conversation

function open(appId, robot) {
  state.app = state.apps.find((app) => app.app === appId);
  state.robot = robot;
  const place = new URLSearchParams({ app: appId, robot, user: state.user });
  history.replaceState(null, "", `?${place}`);
  state.source?.close();
  state.conversation = new Conversation(byId("log"), state.user);
  state.wire = new Wire(byId("entries"), state.user);
  unlock();
  loadRobots();
  byId("composer").hidden = false;
  const peers = { app: appId, user: state.user, peer: robot };
  state.source = follow(peers, {
    snapshot: showSnapshot,
    message: showMessage,
    call: (entry) => state.wire.show("call", entry),
    callback: (entry) => state.wire.show("callback", entry),
    violation: (entry) => state.wire.show("violation", entry),
    robots: loadRobots,
    open: () => (byId("link").hidden = true),
    lost: () => (byId("link").hidden = false),
  });
  byId("text").focus();
}

function showPeer() {
  const robot = state.app && state.apps
    .find((app) => app.app === state.app.app)?.robots.find((each) => each.user_id === state.robot);
  byId("peer").hidden = !robot;
  if (!robot) return;
  byId("peer-name").textContent = robot.nickname || robot.user_id;
  byId("peer-id").textContent = `${robot.user_id} · ${state.app.label} · app ${state.app.app}`;
  byId("peer-avatar").replaceWith(Object.assign(avatar(robot), { id: "peer-avatar" }));
  byId("vendor").textContent = `A simulated ${state.app.label}`;
  byId("text").placeholder = `Write to ${robot.nickname || robot.user_id}`;
}

/** All that was said; comes again after a lost connection. */
function showSnapshot({ messages, wire }) {
  state.wire.clear();
  const entries = [...wire];
  for (const message of messages) {
    while (entries.length && entries[0].at < message.sent_at) showEntry(entries.shift());
    state.wire.showSaid(message);
    state.conversation.show(message, { isOld: true });
  }
  entries.forEach(showEntry);
  const last = messages.at(-1);
  state.unfinished = last && !last.is_finished ? last.key : undefined;
  if (!last) state.conversation.showEmpty("Say hello. What you write goes to Parley as a callback, as from the real cloud.");
  else if (last.from === state.robot) settleLock(last);
}

const showEntry = (entry) => state.wire.show(entry.kind, entry);

function showMessage(message) {
  state.wire.showSaid(message);
  state.conversation.show(message);
  if (message.from !== state.robot) return;
  state.unfinished = message.is_finished ? undefined : message.key;
  if (message.is_finished) byId("spoken").textContent = `${byId("peer-name").textContent}: ${message.text}`;
  settleLock(message);
}

// The input, locked while an answer is awaited

function lock() {
  if (!state.locksInput || !state.app.locks_input) return;
  state.waitingSince = Date.now();
  drawLock("Waiting for an answer, as a mobile client does …");
}

function settleLock(message) {
  if (state.waitingSince === undefined) return;
  if (["reply", "error"].includes(message.kind) && message.is_finished) return unlock();
  if (message.kind === "text") return drawLock("A plain text does not unlock mobile clients: they wait for a chatbot message.");
  drawLock("The answer is being written …");
}

function unlock() {
  const hadFocus = document.activeElement === byId("unlock") || document.activeElement === document.body;
  state.waitingSince = undefined;
  drawLock("");
  if (hadFocus) byId("text").focus();
}

function drawLock(text) {
  byId("lock").hidden = !text;
  byId("lock-text").textContent = text;
  byId("stop").hidden = !state.unfinished || !state.app.can_interrupt;
  byId("composer").classList.toggle("locked", Boolean(text));
  for (const id of ["text", "attach"]) byId(id).disabled = Boolean(text);
  drawSend();
}

function drawSend() {
  byId("composer").querySelector(".send").disabled = byId("text").disabled || !byId("text").value.trim();
}

// Sending

async function send(content, { locks = true } = {}) {
  byId("problem").hidden = true;
  if (locks) lock();
  try {
    await post("/users/send", { app: state.app.app, from: state.user, to: state.robot, platform: "Web", ...content });
  } catch (error) {
    unlock();
    byId("problem").textContent = error.message;
    byId("problem").hidden = false;
    throw error;
  }
}

async function sendText() {
  const text = byId("text").value.trim();
  if (!text || byId("text").disabled) return;
  byId("text").value = "";
  try {
    await send({ text });
  } catch {
    byId("text").value = text;
    drawSend();
  }
}

function connect() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    sendText();
  });
  byId("text").addEventListener("input", drawSend);
  byId("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      sendText();
    }
  });
  byId("unlock").addEventListener("click", unlock);
  byId("stop").addEventListener("click", () => send({ interrupt: state.unfinished }, { locks: false }));
  for (const button of byId("attachments").querySelectorAll("[data-kind]")) {
    button.addEventListener("click", () => {
      byId("attachments").hidePopover();
      send({ [button.dataset.kind]: `${location.origin}/_sandbox/samples/${button.dataset.sample}`, seconds: 2 });
    });
  }
  byId("by-address").addEventListener("submit", (event) => {
    event.preventDefault();
    byId("attachments").hidePopover();
    send({ [byId("address-kind").value]: byId("address").value });
  });
  byId("user").append(...USERS.map((user) => make("option", { value: user, textContent: user })));
  byId("user").addEventListener("change", (event) => {
    state.user = event.target.value;
    if (state.app) open(state.app.app, state.robot);
  });
  const lockBox = byId("faults").elements.lock;
  lockBox.checked = state.locksInput;
  lockBox.addEventListener("change", () => {
    state.locksInput = lockBox.checked;
    localStorage.setItem("lock", lockBox.checked ? "on" : "off");
    if (!lockBox.checked) unlock();
  });
  connectWire();
}

function connectWire() {
  const toggle = (isOpen) => {
    byId("wire").hidden = !isOpen;
    byId("wire-button").ariaExpanded = String(isOpen);
    if (isOpen) byId("entries").scrollTop = byId("entries").scrollHeight;
  };
  byId("wire-button").addEventListener("click", () => toggle(byId("wire").hidden));
  byId("wire-close").addEventListener("click", () => {
    toggle(false);
    byId("wire-button").focus();
  });
  byId("wire-clear").addEventListener("click", () => state.wire?.clear());
}

async function start() {
  connect();
  const place = new URLSearchParams(location.search);
  if (USERS.includes(place.get("user"))) state.user = place.get("user");
  byId("user").value = state.user;
  await connectFaults(byId("faults"), byId("faults-count"));
  await waitForRobots();
  const everyone = state.apps.flatMap((app) => app.robots.map((robot) => [app.app, robot.user_id]));
  const wanted = everyone.find(([app, robot]) => app === place.get("app") && robot === place.get("robot"));
  open(...(wanted ?? everyone[0]));
}

start();
