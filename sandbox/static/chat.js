// The chat page: pick a robot or a group, pick who you are, talk.

import { follow, get, post } from "./api.js";
import { avatar, byId, groupMark, make } from "./dom.js";
import { connectFaults } from "./faults.js";
import { connectMentions, mentionedIn } from "./mentions.js";
import { Conversation } from "./messages.js";
import { Wire } from "./wire.js";

const USERS = ["alice", "bob", "chen"];

const state = {
  apps: [],
  app: undefined, // the open conversation's app, its robot or group, and who writes there
  robot: undefined,
  group: undefined,
  user: USERS[0],
  source: undefined,
  conversation: undefined,
  wire: undefined,
  waitingSince: undefined, // key of the message that locked the input
  unfinished: undefined, // key of the answer that is growing
  locksInput: localStorage.getItem("lock") !== "off",
};

// Robots and groups

async function loadRobots() {
  const { apps, version } = await get("/apps");
  state.apps = apps;
  const items = apps.flatMap((app) => [
    ...app.robots.map((robot) => robotItem(app, robot)),
    ...app.groups.map((group) => groupItem(app, group)),
  ]);
  byId("robots").replaceChildren(...(items.length ? items : [noRobots()]));
  showPeer();
  return version;
}

function robotItem(app, robot) {
  const words = [robot.nickname || robot.user_id, robot.user_id];
  return chatItem(app, avatar(robot), words, { robot: robot.user_id });
}

function groupItem(app, group) {
  return chatItem(app, groupMark(group.name), [group.name, namesOf(app, group.members)], { group: group.id });
}

function chatItem(app, mark, [name, detail], chat) {
  const label = make("span", {}, make("strong", { textContent: name }), make("small", { textContent: detail }));
  const button = make("button", { type: "button", title: `${app.label}, app ${app.app}` }, mark, label);
  const isOpen = app.app === state.app?.app && chat.robot === state.robot && chat.group === state.group;
  button.ariaCurrent = String(isOpen);
  button.addEventListener("click", () => open(app.app, chat));
  return make("li", {}, button);
}

function nameOf(app, user) {
  return app.robots.find((robot) => robot.user_id === user)?.nickname || user;
}

const namesOf = (app, users) => users.map((user) => nameOf(app, user)).join(", ");

/** The apps are read anew now and then. */
const currentApp = () => state.apps.find((app) => app.app === state.app.app);
const openGroup = () => currentApp()?.groups.find((group) => group.id === state.group);
const isRobot = (user) => currentApp()?.robots.some((robot) => robot.user_id === user);

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

function open(appId, { robot, group }) {
  state.app = state.apps.find((app) => app.app === appId);
  [state.robot, state.group] = [robot, group];
  const place = new URLSearchParams({ app: appId, ...(group ? { group } : { robot }), user: state.user });
  history.replaceState(null, "", `?${place}`);
  state.source?.close();
  state.conversation = new Conversation(byId("log"), state.user, (user) => (group ? nameOf(currentApp(), user) : ""));
  state.wire = new Wire(byId("entries"), (user) => !isRobot(user));
  unlock();
  loadRobots();
  byId("composer").hidden = false;
  byId("mention").hidden = !group;
  const members = group ? { app: appId, group } : { app: appId, user: state.user, peer: robot };
  state.source = follow(members, {
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
  const group = state.group && openGroup();
  const robot = state.robot && currentApp()?.robots.find((each) => each.user_id === state.robot);
  byId("peer").hidden = !(group || robot);
  if (group) describePeer(group.name, namesOf(currentApp(), group.members), groupMark(group.name));
  if (robot) describePeer(robot.nickname || robot.user_id, robot.user_id, avatar(robot));
}

function describePeer(name, detail, mark) {
  byId("peer-name").textContent = name;
  byId("peer-id").textContent = `${detail} · ${state.app.label} · app ${state.app.app}`;
  byId("peer-avatar").replaceWith(Object.assign(mark, { id: "peer-avatar" }));
  byId("vendor").textContent = `A simulated ${state.app.label}`;
  byId("text").placeholder = `Write to ${name}`;
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
  if (!last) state.conversation.showEmpty(INVITATIONS[state.group ? "group" : "robot"]);
  else if (isRobot(last.from)) settleLock(last);
}

const INVITATIONS = {
  robot: "Say hello. What you write goes to Parley as a callback, as from the real cloud.",
  group: "Say hello, as one or another of the members. Who mentions the robot gets an answer.",
};

const showEntry = (entry) => state.wire.show(entry.kind, entry);

function showMessage(message) {
  state.wire.showSaid(message);
  state.conversation.show(message);
  if (!isRobot(message.from)) return;
  state.unfinished = message.is_finished ? undefined : message.key;
  if (message.is_finished) byId("spoken").textContent = `${nameOf(currentApp(), message.from)}: ${message.text}`;
  settleLock(message);
}

// The input, locked while an answer is awaited

function lock() {
  if (!state.locksInput || !state.app.locks_input || state.group) return;
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
  const place = state.group
    ? { group: state.group, mentions: mentionedIn(content.text ?? "", others()) }
    : { to: state.robot };
  try {
    await post("/users/send", { app: state.app.app, from: state.user, platform: "Web", ...place, ...content });
  } catch (error) {
    unlock();
    byId("problem").textContent = error.message;
    byId("problem").hidden = false;
    throw error;
  }
}

/** The other members of the group, robots first. */
function others() {
  const members = (openGroup()?.members ?? []).filter((user) => user !== state.user);
  const people = members.map((user) => ({ user, name: nameOf(currentApp(), user), isRobot: isRobot(user) }));
  return people.sort((one, other) => Number(other.isRobot) - Number(one.isRobot));
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
  connectMentions(byId("text"), () => (state.group ? others() : []));
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
    if (state.app) open(state.app.app, state);
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
  const chats = state.apps.flatMap((app) => [
    ...app.robots.map((robot) => [app.app, { robot: robot.user_id }]),
    ...app.groups.map((group) => [app.app, { group: group.id }]),
  ]);
  const wanted = chats.find(([app, { robot, group }]) =>
    app === place.get("app") && (group ? group === place.get("group") : robot === place.get("robot")));
  open(...(wanted ?? chats[0]));
}

start();
