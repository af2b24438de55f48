// Tells operators that they are needed while they look elsewhere: by a notification, by a sound, as they wish.
const WISHES = ["notify", "sound"];

export class Alerts {
  #known = null; // how many needed somebody when we looked last

  constructor() {
    for (const wish of WISHES) this.#connect(document.getElementById(wish), wish);
  }

  // The list was drawn: is there more need than before?
  look(list) {
    const { waiting, mentioned } = list.querySelector("[data-waiting]").dataset;
    const needs = { waiting: Number(waiting), mentioned: Number(mentioned) };
    const before = this.#known;
    this.#known = needs;
    const more = before && Object.keys(needs).find((need) => needs[need] > before[need]);
    if (more) this.tell(document.getElementById("notify").dataset[more]);
  }

  tell(words) {
    if (wishes("sound")) beep();
    if (wishes("notify") && document.hidden && globalThis.Notification?.permission === "granted") {
      new Notification("Parley", { body: words, tag: "parley" }).onclick = () => focus();
    }
  }

  #connect(box, wish) {
    box.checked = wishes(wish);
    box.addEventListener("change", async () => {
      if (box.checked && wish === "notify") {
        box.checked = (await globalThis.Notification?.requestPermission()) === "granted";
      }
      localStorage.setItem(`console.${wish}`, box.checked ? "1" : "");
      if (box.checked && wish === "sound") beep(); // browsers let pages sound that were clicked
    });
  }
}

function wishes(wish) {
  return localStorage.getItem(`console.${wish}`) === "1";
}

function beep() {
  const audio = new AudioContext();
  const [tone, volume] = [audio.createOscillator(), audio.createGain()];
  tone.frequency.value = 660;
  volume.gain.setValueAtTime(0.15, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.4);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.4);
  tone.onended = () => audio.close();
}
