// The list of conversations.  The server draws it; it is fetched again when something in it changes.
const PAUSE_MS = 1500; // between two fetches, however much changes
const SEARCH_PAUSE_MS = 10_000; // the same, where a fetch means to search again

export class List {
  #timer = null;
  #fetchedAt = 0;

  constructor(element, alerts) {
    this.element = element;
    this.alerts = alerts;
    this.pause = "search" in element.dataset ? SEARCH_PAUSE_MS : PAUSE_MS;
    this.title = document.title;
    this.isLonger = false; // once more pages were added it is not drawn anew under the reader
    this.clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "short" });
    this.calendar = new Intl.DateTimeFormat(document.documentElement.lang, { month: "short", day: "numeric" });
    element.addEventListener("click", (event) => this.#more(event));
    this.#showTimes();
    this.#showNeed();
  }

  changed(conversations) {
    const isNews = Object.values(conversations).some((kinds) => kinds.includes("handoff") || kinds.includes("conversation"));
    this.#soon(isNews ? 0 : Math.max(0, this.pause - (Date.now() - this.#fetchedAt)));
  }

  refresh() {
    this.#soon(0);
  }

  get rows() {
    return [...this.element.querySelectorAll("a.row")];
  }

  move(step) {
    const current = this.rows.findIndex((row) => row.hasAttribute("aria-current"));
    this.rows[current < 0 ? 0 : current + step]?.click();
  }

  show(number) {
    this.element.querySelectorAll(".views a")[number - 1]?.click();
  }

  #soon(pause) {
    if (this.#timer && pause) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fetch(), pause);
  }

  async #fetch() {
    this.#timer = null;
    this.#fetchedAt = Date.now();
    const open = this.element.querySelector("a.row[aria-current]")?.dataset.conversation;
    const response = await fetch(this.element.dataset.url).catch(() => null);
    if (!response?.ok) return;
    this.#keepingFocus(this.#draw, await response.text());
    this.element.querySelector(`a.row[data-conversation="${open}"]`)?.setAttribute("aria-current", "page");
    this.#showTimes();
    this.#showNeed();
  }

  // Of a longer list only the counts.
  #draw(html) {
    if (!this.isLonger) return void (this.element.innerHTML = html);
    const page = document.createElement("div");
    page.innerHTML = html;
    this.element.querySelector(".views").replaceWith(page.querySelector(".views"));
  }

  #keepingFocus(draw, html) {
    const focused = this.element.contains(document.activeElement) && document.activeElement.getAttribute("href");
    draw.call(this, html);
    if (focused) this.element.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  // How many wait for a person or to be read, where it is seen from another tab.
  #showNeed() {
    const needing = Number(this.element.querySelector(".count.need")?.textContent ?? 0);
    const count = needing + this.element.querySelectorAll(".row:not(.needs) .count").length;
    this.alerts.look(this.element);
    document.title = count ? `(${count}) ${this.title}` : this.title;
  }

  // In the reader's zone, which the server does not know.
  #showTimes() {
    for (const time of this.element.querySelectorAll("time")) {
      const at = new Date(time.dateTime);
      const isToday = at.toDateString() === new Date().toDateString();
      time.textContent = (isToday ? this.clock : this.calendar).format(at);
    }
  }

  async #more(event) {
    const link = event.target.closest("a.more");
    if (!link) return;
    event.preventDefault();
    this.isLonger = true;
    const page = document.createElement("div");
    page.innerHTML = await (await fetch(link.href)).text();
    const rows = link.closest(".found-place")?.querySelector(".rows") ?? this.element.querySelector(".rows");
    rows.append(...page.querySelectorAll(link.closest(".found-place") ? ".found > li" : ".rows:not(.found) > li"));
    const next = page.querySelector(`a.more[href^="${new URL(link.href).pathname}"]`);
    next ? link.replaceWith(next) : link.remove();
    this.#showTimes();
  }
}
