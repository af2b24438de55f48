"use strict";
// The answer comes as lines of JSON: {text}, {error}, {end}; see bots/trying.py.
(() => {
  const form = document.getElementById("try");
  const stop = document.getElementById("try-stop");
  const [answer, error, timings, reasoning] = ["answer", "error", "timings", "reasoning"].map((name) =>
    document.getElementById(`try-${name}`),
  );

  function show(element, text) {
    element.hidden = !text;
    (element.querySelector("pre") || element).textContent = text;
  }

  function told(end) {
    const parts = [];
    if (end.first_token_s !== null) parts.push(`${timings.dataset.first} ${end.first_token_s} s`);
    if (end.total_s !== null) parts.push(`${timings.dataset.total} ${end.total_s} s`);
    const cached = end.cached_input ? ` (${end.cached_input} ${timings.dataset.cached})` : "";
    const estimated = end.is_estimated ? ` (${timings.dataset.estimated})` : "";
    parts.push(`${end.input}${cached} → ${end.output} ${timings.dataset.tokens}${estimated}`);
    if (end.finish_reason) parts.push(end.finish_reason);
    return parts.join(" · ");
  }

  function take(line) {
    const event = JSON.parse(line);
    if (event.text) show(answer, answer.textContent + event.text);
    if (event.error) show(error, event.error + (event.retry_after ? ` (Retry-After: ${event.retry_after} s)` : ""));
    if (event.end) {
      show(timings, told(event.end));
      show(reasoning, event.end.reasoning);
    }
  }

  async function read(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      const lines = (rest + (value || "")).split("\n");
      rest = lines.pop();
      lines.forEach(take);
      if (done) return;
    }
  }

  form.addEventListener("submit", async (submission) => {
    submission.preventDefault();
    [answer, error, timings, reasoning].forEach((element) => show(element, ""));
    const abort = new AbortController();
    stop.onclick = () => abort.abort();
    stop.hidden = false;
    try {
      const response = await fetch(form.action, { method: "POST", body: new FormData(form), signal: abort.signal });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      await read(response);
    } catch (problem) {
      if (problem.name !== "AbortError") show(error, String(problem));
    } finally {
      stop.hidden = true;
    }
  });
})();
