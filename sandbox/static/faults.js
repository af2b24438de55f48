// The switches for what goes wrong: each stands for a setting of the sandbox.

import { get, post } from "./api.js";

const SWITCHES = {
  duplicate: ["callbacks", "duplicate", 5, 1],
  delay: ["callbacks", "delay_s", 3, 0],
  reorder: ["callbacks", "reorder", 0.5, 0],
  drop: ["callbacks", "drop", 0.3, 0],
  fail_before: ["api", "fail_before", 0.3, 0],
  fail_after: ["api", "fail_after", 0.3, 0],
  latency: ["api", "latency_s", 1, 0],
};

export async function connectFaults(form, count) {
  const reflect = (faults) => {
    let wrong = 0;
    for (const [name, [group, key, , off]] of Object.entries(SWITCHES)) {
      form.elements[name].checked = faults[group][key] !== off;
      wrong += form.elements[name].checked ? 1 : 0;
    }
    count.textContent = wrong;
    count.hidden = wrong === 0;
  };
  form.addEventListener("change", async (event) => {
    if (!SWITCHES[event.target.name]) return;
    const faults = await get("/faults"); // settings that have no switch here stay as they are
    const [group, key, on, off] = SWITCHES[event.target.name];
    faults[group][key] = event.target.checked ? on : off;
    reflect(await post("/faults", faults));
  });
  reflect(await get("/faults"));
}
