// The console: a list that is kept fresh, and one open conversation.
import { Alerts } from "./alerts.js";
import { Call } from "./call.js";
import { Conversation } from "./conversation.js";
import { listenForKeys } from "./keys.js";
import { List } from "./list.js";
import { Live } from "./live.js";
import { closeMenus } from "./menus.js";
import { Seat } from "./seat.js";

const alerts = new Alerts();
const list = new List(document.getElementById("list"), alerts);
const pane = document.getElementById("conversation");
const live = new Live(document.getElementById("link-state"));
const conversation = pane && new Conversation(pane, JSON.parse(document.getElementById("state").textContent), live, alerts);

live.on("inbox", (frame) => list.changed(frame.conversations));
live.on("hello", () => list.refresh());
if (conversation) {
  const call = new Call(conversation.url);
  live.on("hello", () => conversation.watch());
  live.on("changed", (frame) => conversation.changed(frame));
  live.on("typing", (frame) => conversation.showTyping(frame));
  live.on("changed", (frame) => call.changed(frame.events));
  live.on("presence", (frame) => conversation.showPresence(frame.names));
}
live.connect();
closeMenus();
listenForKeys({ list, conversation, seat: new Seat(list.element) });

for (const select of document.querySelectorAll(".filters select")) select.addEventListener("change", () => select.form.submit());
