// The operator's own place: away or not, and whom to take next.
import { post, Refused } from "./posting.js";

export class Seat {
  constructor(list) {
    this.list = list;
    this.away = document.getElementById("away");
    this.away?.addEventListener("change", () => post(this.away.dataset.url, { is_away: this.away.checked }));
    list.addEventListener("click", (event) => event.target.closest("[data-next]") && this.takeNext());
  }

  async takeNext() {
    const button = this.list.querySelector("[data-next]");
    if (!button) return this.list.querySelector("[data-view=waiting]")?.click();
    try {
      const { place } = await post(button.dataset.next);
      if (place) location.assign(place);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      button.replaceChildren(error.message);
      button.disabled = true;
    }
  }
}
