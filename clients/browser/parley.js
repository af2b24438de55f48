// Parley's REST session API from a page: one session, by its user token.

export class ParleyError extends Error {
  constructor(code, message, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export class ParleySession {
  constructor(address, id, token) {
    this.address = `${address.replace(/\/$/, "")}/api/v1/sessions/${encodeURIComponent(id)}`;
    this.token = token;
  }

  // Says the text as the user.  `onText` hears the answer each time it has grown; resolves to all of it.
  async speak(text, onText = () => {}) {
    const response = await this.ask("POST", "/messages", { text }, "text/event-stream");
    let answer = "";
    for await (const { name, data } of events(response.body)) {
      if (name === "delta") onText((answer += data.text));
      if (name === "error") throw new ParleyError(data.error.code, data.error.message, response.status);
      if (name === "done") return answer;
    }
    throw new ParleyError("unreachable", "The answer broke off.", response.status);
  }

  // The last messages, the newest last.
  async messages(limit = 20) {
    return (await (await this.ask("GET", `/messages?limit=${limit}`)).json()).results;
  }

  async interrupt() {
    return (await (await this.ask("POST", "/interrupt", {})).json()).interrupted;
  }

  async rate(score, comment = "") {
    await this.ask("POST", "/rating", { score, comment });
  }

  async ask(method, path, body, accept = "application/json") {
    const headers = { Authorization: `Bearer ${this.token}`, Accept: accept };
    if (body) Object.assign(headers, { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() });
    const response = await fetch(this.address + path, { method, headers, body: body && JSON.stringify(body) });
    if (response.ok) return response;
    const { error } = await response.json().catch(() => ({ error: { code: "http_error", message: response.statusText } }));
    throw new ParleyError(error.code, error.message, response.status);
  }
}

// Server-sent events as Parley sends them: a name and a line of JSON each; comments keep the line open.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let name = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("event: ")) name = line.slice(7);
      if (line.startsWith("data: ")) yield { name, data: JSON.parse(line.slice(6)) };
    }
  }
}
