// What keys do.  Typing in a field is left alone.
export function listenForKeys({ list, conversation, seat }) {
  const help = document.getElementById("keys");
  const deeds = {
    j: () => list.move(1),
    k: () => list.move(-1),
    1: () => list.show(1),
    2: () => list.show(2),
    3: () => list.show(3),
    4: () => list.show(4),
    5: () => list.show(5),
    6: () => list.show(6),
    "/": () => document.getElementById("search").focus(),
    t: () => conversation?.takeOver(),
    e: () => conversation?.resolve(),
    n: () => seat.takeNext(),
    b: () => conversation?.handBack(),
    r: () => document.getElementById("text")?.focus(),
    a: () => conversation?.openMenu(document.querySelector("#assign [name=operator]")),
    l: () => conversation?.openMenu(document.querySelector("#tag [name=tags]")),
    u: () => conversation?.toggleUser(),
    m: () => conversation?.answering?.toggleNote(),
    s: () => conversation?.answering?.suggest(),
    f: () => conversation?.attaching?.choose(),
    "?": () => help.showModal(),
  };
  document.getElementById("show-keys").addEventListener("click", () => help.showModal());
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !help.open) document.activeElement?.blur();
    const isTyping = event.target.closest?.("input, textarea, select, dialog");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !deeds[event.key]) return;
    event.preventDefault();
    deeds[event.key]();
  });
}
