// The drawer: callbacks to Parley and calls from it, as they went over the wire.

import { make } from "./dom.js";

const MAX_ENTRIES = 400;

export class Wire {
  constructor(list, isUser) {
    this.list = list;
    this.isUser = isUser;
    this.clear();
  }

  clear() {
    this.list.replaceChildren();
    this.since = undefined;
    this.said = new Set();
  }

  /** A heading for each message of a user; times count from it. */
  showSaid(message) {
    if (!this.isUser(message.from) || this.said.has(message.key)) return;
    this.said.add(message.key);
    this.since = message.sent_at;
    this.append(make("li", { className: "said", textContent: `${message.from}: ${message.kind === "text" ? message.text : message.kind}` }));
  }

  show(kind, entry) {
    const { what, note, took, isBad } = DESCRIBED[kind](entry);
    const at = this.since === undefined ? "" : `${(entry.at - this.since).toFixed(2)}`;
    const summary = make("summary", {},
      make("time", { textContent: at }),
      make("span", { className: "way", textContent: WAYS[kind] }),
      make("span", { className: "what" }, what, make("small", { textContent: note })),
      make("span", { className: "took", textContent: took }));
    const details = make("details", { className: `${kind}${isBad ? " bad" : ""}` }, summary);
    details.addEventListener("toggle", () => {
      if (details.open && !details.querySelector("pre")) details.append(body(entry));
    });
    this.append(make("li", {}, details));
  }

  append(item) {
    const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 60;
    this.list.append(item);
    while (this.list.children.length > MAX_ENTRIES) this.list.firstElementChild.remove();
    if (isAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }
}

const WAYS = { callback: "↑", call: "↓", violation: "!" };

const DESCRIBED = {
  callback: (entry) => ({
    what: entry.command,
    note: entry.error ?? (entry.attempt > 1 ? `attempt ${entry.attempt}` : ""),
    took: entry.ms === undefined ? "" : `${entry.status ?? "–"} · ${Math.round(entry.ms)} ms`,
    isBad: !entry.is_taken,
  }),
  call: (entry) => {
    const refusal = refusalIn(entry.answer);
    return {
      what: entry.command,
      note: entry.fault || (refusal ? refusal.words : sent(entry.body)),
      took: `${refusal ? refusal.code : isAnswered(entry) ? "ok" : "–"} · ${Math.round(entry.ms)} ms`,
      isBad: Boolean(entry.fault || refusal),
    };
  },
  violation: (entry) => ({ what: entry.rule.replaceAll("_", " "), note: entry.detail, took: "", isBad: true }),
};

const isAnswered = (entry) => !entry.fault.includes("before");

/** How the clouds say no: Tencent, ZEGO, Easemob. */
function refusalIn(answer) {
  if (answer.ErrorCode) return { code: answer.ErrorCode, words: answer.ErrorInfo };
  const failed = answer.ErrorList?.[0];
  if (answer.Code || failed?.SubCode) return { code: failed?.SubCode ?? answer.Code, words: failed?.SubMessage ?? answer.Message };
  if (answer.error) return { code: answer.error_code ?? answer.error, words: answer.error_description };
  return undefined;
}

/** In a few words, what a call puts into the conversation. */
function sent(request) {
  if (request?.MessageBody) return `text, ${characters(request.MessageBody.Message ?? "")}`;
  const { msg, finish } = request?.body ?? {};
  if (msg !== undefined) return `text, ${characters(msg)}${finish ? ", finished" : ""}`;
  const content = request?.MsgBody?.[0]?.MsgContent;
  if (!content) return "";
  if (content.Text !== undefined) return `text, ${characters(content.Text)}`;
  const data = chatbotData(content.Data);
  if (!data) return "custom";
  if (data.src === 23) return `error: ${data.errorInfo}`;
  const text = (data.chunks ?? []).join("");
  return `${characters(text)}${data.isFinished === 1 ? ", finished" : ""}`;
}

const characters = (text) => `${text.length} ${text.length === 1 ? "character" : "characters"}`;

function chatbotData(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function body(entry) {
  const { members, app, at, kind, ...rest } = entry;
  return make("pre", { textContent: JSON.stringify(rest, null, 2) });
}
