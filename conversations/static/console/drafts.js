// What was typed and not sent, kept for each conversation until this tab is closed.
export function keepDraft(box, name, isAnswer) {
  box.value ||= sessionStorage.getItem(name) ?? "";
  box.addEventListener("input", () => {
    if (!isAnswer()) return;
    if (box.value) sessionStorage.setItem(name, box.value);
    else sessionStorage.removeItem(name);
  });
}
