// The sandbox's own API.  Failures are Errors whose message can be shown.

const BASE = "/_sandbox";

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error ?? `The sandbox answered ${response.status}`);
  return body;
}

export async function get(path, query = {}) {
  return answer(await fetch(`${BASE}${path}?${new URLSearchParams(query)}`));
}

export async function post(path, body) {
  const headers = { "content-type": "application/json" };
  return answer(await fetch(BASE + path, { method: "POST", headers, body: JSON.stringify(body) }));
}

/** Follow a conversation, `{ app, user, peer }` or `{ app, group }`.  `on` has a function for each kind of event; `open` and `lost` tell of the connection. */
export function follow(place, on) {
  const source = new EventSource(`${BASE}/events?${new URLSearchParams(place)}`);
  for (const name of ["snapshot", "message", "call", "callback", "violation", "robots"]) {
    source.addEventListener(name, (event) => on[name](JSON.parse(event.data)));
  }
  source.addEventListener("open", on.open);
  source.addEventListener("error", on.lost);
  return source;
}
