// The console: a list that is kept fresh, and one open conversation.
import { Conversation } from "./conversation.js";
import { listenForKeys } from "./keys.js";
import { List } from "./list.js";
import { Live } from "./live.js";
import { Seat } from "./seat.js";

const list = new List(document.getElementById("list"));
const pane = document.getElementById("conversation");
const live = new Live(document.getElementById("link-state"));
const conversation = pane && new Conversation(pane, JSON.parse(document.getElementById("state").textContent), live);

live.on("inbox", (frame) => list.changed(frame.conversations));
live.on("hello", () => list.refresh());
if (conversation) {
  live.on("hello", () => conversation.watch());
  live.on("changed", (frame) => conversation.changed(frame));
  live.on("presence", (frame) => conversation.showPresence(frame.names));
}
live.connect();
listenForKeys({ list, conversation, seat: new Seat(list.element) });

for (const select of document.querySelectorAll(".filters select")) select.addEventListener("change", () => select.form.submit());
