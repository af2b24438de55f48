// A call, as a sample client of the voice service makes it: token, room, start; then speech, as text.

import { get, post } from "./api.js";

const STATUSES = { IDLE: "idle", LISTENING: "listening", THINKING: "thinking …", SPEAKING: "speaking" };
const find = (id) => document.getElementById(id);
const parley = find("parley");
parley.value = new URLSearchParams(location.search).get("parley") ?? "http://127.0.0.1:8000";
let call = null; // { app, room, instance }

find("dial").addEventListener("submit", attempt(dial));
find("speech").addEventListener("submit", attempt(speak));
find("hang-up").addEventListener("click", attempt(hangUp));

function attempt(deed) {
  return async (event) => {
    event.preventDefault();
    find("problem").hidden = true;
    try {
      await deed();
    } catch (error) {
      tell(error.message);
    }
  };
}

function tell(problem) {
  find("problem").textContent = problem;
  find("problem").hidden = false;
}

async function ask(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(new URL(path, parley.value), options);
  const answer = await response.json();
  if (answer.code !== 0) throw new Error(answer.message);
  return answer;
}

async function dial() {
  const user = find("user").value;
  const room = `room_${crypto.randomUUID().replaceAll("-", "")}`;
  const { token } = await ask(`/api/zego-token?userId=${encodeURIComponent(user)}`);
  const started = await ask("/api/start", { user_id: user, room_id: room, user_stream_id: `${room}_${user}` });
  const { apps } = await get("/apps");
  for (const { app } of apps.filter(({ vendor }) => vendor === "zego")) {
    const { instances } = await get("/instances", { app });
    if (instances.some(({ id }) => id === started.agent_instance_id)) {
      call = { app, room, instance: started.agent_instance_id };
    }
  }
  await post("/instances/enter", { app: call.app, room, user, token });
  find("dial").hidden = true;
  find("call").hidden = false;
  find("words").focus();
  follow(call);
}

async function speak() {
  const text = find("words").value;
  find("words").value = "";
  await post("/instances/say", { app: call.app, room: call.room, text });
}

async function hangUp() {
  await ask("/api/stop", { agent_instance_id: call.instance });
}

async function follow(followed) {
  let answer = await get("/instances", { app: followed.app });
  for (;;) {
    const instance = answer.instances.find(({ id }) => id === followed.instance);
    if (!instance) break;
    show(instance);
    answer = await get("/instances", { app: followed.app, beyond: answer.version, wait_s: 20 });
  }
  find("call").hidden = true;
  find("dial").hidden = false;
  find("said").replaceChildren();
}

function show({ status, said }) {
  find("status").textContent = STATUSES[status] ?? status;
  const lines = said.map(({ who, text }) => {
    const line = document.createElement("li");
    line.className = who;
    line.textContent = text;
    return line;
  });
  find("said").replaceChildren(...lines);
}
