// What is sent to the server: the answer, or an error with the server's own words.
export function post(url, body = {}) {
  return send(url, JSON.stringify(body));
}

export function upload(url, file, id) {
  const form = new FormData();
  form.append("id", id);
  form.append("file", file);
  return send(url, form);
}

async function send(url, body) {
  const headers = { "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value };
  const response = await fetch(url, { method: "POST", headers, body });
  const answer = await response.json();
  if (!response.ok) throw new Refused(answer.error.message ?? answer.error); // our doors say more than words
  return answer;
}

export class Refused extends Error {}
