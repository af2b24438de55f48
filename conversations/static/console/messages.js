// The messages of a conversation, each drawn from its newest state.  To take the same again changes nothing.
export class Messages {
  #messages = new Map(); // by id: { event, element }
  #turns = new Map(); // by id: event

  constructor(state) {
    this.state = state;
    this.list = document.getElementById("messages");
    this.scroll = document.getElementById("scroll");
    this.template = document.getElementById("message-template").content;
    this.clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "medium" });
  }

  get newest() {
    return Math.max(0, ...[...this.#messages.keys()].filter(Number.isInteger)); // notes have other keys
  }

  take(events) {
    const { scrollHeight, scrollTop, clientHeight } = this.scroll;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 80;
    for (const event of events) if (event.type === "turn") this.#takeTurn(event);
    for (const event of events) if (event.type === "message") this.#takeMessage(event);
    for (const event of events) if (event.type === "note") this.#takeMessage(asMessage(event));
    this.#drawTurns();
    if (isAtEnd) this.toEnd();
  }

  toShown() {
    const shown = [...this.#messages.values()].find(({ event }) => event.public_id === this.state.shown);
    if (!shown) return this.toEnd();
    shown.element.dataset.shown = "";
    shown.element.scrollIntoView({ block: "center" });
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  keepingPlace(act) {
    const fromEnd = this.scroll.scrollHeight - this.scroll.scrollTop;
    act();
    this.scroll.scrollTop = this.scroll.scrollHeight - fromEnd;
  }

  #takeTurn(turn) {
    if (!(this.#turns.get(turn.id)?.change > turn.change)) this.#turns.set(turn.id, turn);
  }

  #takeMessage(event) {
    if (this.state.until !== null && event.id > this.state.until) return; // behind what this page shows
    const known = this.#messages.get(event.id);
    if (known?.event.change > event.change) return;
    const element = known?.element ?? this.template.cloneNode(true).firstElementChild;
    this.#messages.set(event.id, { event, element });
    this.#draw(element, event);
    if (!known || String(known.event.place) !== String(event.place)) this.#put(element, event);
  }

  #put(element, event) {
    const next = [...this.#messages.values()]
      .filter((other) => other.event.id !== event.id && isBefore(event.place, other.event.place))
      .sort((a, b) => (isBefore(a.event.place, b.event.place) ? -1 : 1))[0];
    this.list.insertBefore(element, next?.element ?? null);
  }

  #draw(element, event) {
    const { words } = this.state;
    const part = (name) => element.querySelector(`.${name}`);
    element.className = `message ${event.sender}`;
    element.dataset.state = event.state;
    part("bubble").className = `bubble ${event.state}`;
    part("text").textContent = event.text;
    part("who").textContent = this.#speaker(event);
    part("state").textContent = [event.is_edited && words.edited, words.states[event.state]].filter(Boolean).join(" · ");
    element.dataset.kind = event.kind;
    const isHeard = event.state === "received" || (event.kind === "call" && event.sender === "user");
    if (isHeard) part("state").textContent = "";
    this.#drawActs(element, event);
    show(part("problem"), event.error);
    this.#drawContent(part("what"), event);
    const time = element.querySelector("time");
    time.dateTime = event.at;
    time.textContent = this.clock.format(new Date(event.at));
  }

  // What may be done with it, by whoever has the conversation (`.yours`).
  #drawActs(element, event) {
    const { may_operate, can_recall, can_rewrite } = this.state;
    const isOperators = event.sender === "operator";
    const isSent = event.state === "delivered" && event.sender !== "user";
    const may = {
      again: isOperators && event.state === "failed",
      edit: isOperators && isSent && can_rewrite && event.kind === "text",
      recall: isSent && can_recall,
    };
    for (const button of element.querySelectorAll("[data-act]")) {
      button.hidden = !(may_operate && may[button.dataset.act]);
      button.dataset.message = event.id;
    }
  }

  textOf(id) {
    return this.#messages.get(id)?.event.text ?? "";
  }

  #drawContent(place, event) {
    show(place, event.kind === "text" ? "" : event.name || this.state.words.kinds[event.kind]);
    if (!event.link) return;
    const link = Object.assign(document.createElement("a"), {
      href: event.link, target: "_blank", rel: "noopener noreferrer nofollow", textContent: place.textContent,
    });
    if (event.kind === "image") link.append(picture(event.link, place.textContent));
    place.replaceChildren(link);
  }

  #speaker(event) {
    if (event.sender === "operator") return event.sender_id;
    if (event.sender === "note") return `${this.state.words.note} · ${event.sender_id}`;
    if (event.sender === "user") return event.sender_id === this.state.peer ? "" : event.sender_id;
    return "";
  }

  // A turn is told beside the first message of its reply, or else beside its last question.
  #drawTurns() {
    const tellers = new Map();
    const inOrder = [...this.#messages.values()].sort((a, b) => (isBefore(a.event.place, b.event.place) ? -1 : 1));
    for (const { event, element } of inOrder) {
      element.querySelector(".turn").hidden = true;
      const known = tellers.get(event.turn);
      if (this.#turns.has(event.turn) && (!known || known.event.sender === "user")) tellers.set(event.turn, { event, element });
    }
    for (const [id, { element }] of tellers) this.#drawTurn(element.querySelector(".turn"), this.#turns.get(id));
  }

  // The rest of what a turn went through, fetched when somebody opens it.
  async tellTurn(place, url) {
    if (!place.open || !place.dataset.turn) return;
    place.querySelector(".more-of-turn").innerHTML = await (await fetch(`${url}turns/${place.dataset.turn}/`)).text();
  }

  #drawTurn(place, turn) {
    const { words } = this.state;
    place.dataset.turn = turn.id;
    place.hidden = false;
    place.className = `turn ${turn.state}`;
    const seconds = turn.seconds.in_all === null ? "" : `${turn.seconds.in_all.toFixed(1)} s`;
    place.querySelector("summary").textContent = [words.turns[turn.state], turn.model, seconds].filter(Boolean).join(" · ");
    const { input, cached_input, output, is_estimated } = turn.tokens;
    const facts = [
      [words.tokens, `${is_estimated ? "≈ " : ""}${input}${cached_input ? ` (${cached_input})` : ""} → ${output}`],
      [words.cost, turn.cost.currency && `${turn.cost.amount} ${turn.cost.currency}`],
      ...Object.entries(turn.seconds).map(([name, value]) => [words.seconds[name], value === null ? "" : `${value.toFixed(2)} s`]),
      [words.error, turn.error],
    ];
    place.querySelector("dl").replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => [tag("dt", name), tag("dd", value)]));
  }
}

// A note stands among the messages, under a key that none of them has.
function asMessage(note) {
  const nothing = { turn: null, kind: "text", link: "", error: "", is_edited: false, state: "received" };
  return { ...nothing, ...note, id: `note-${note.id}`, sender: "note", sender_id: note.written_by };
}

// Shown where it can be loaded; the link stays in any case.
function picture(src, alt) {
  const image = Object.assign(document.createElement("img"), { src, alt, className: "picture", loading: "lazy", referrerPolicy: "no-referrer" });
  image.addEventListener("error", () => image.remove());
  return image;
}

function isBefore(place, other) {
  for (const [index, value] of place.entries()) if (value !== other[index]) return value < other[index];
  return false;
}

function show(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

function tag(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}
