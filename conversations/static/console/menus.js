// Menus close by Escape, which leads back to their button, and by a click beside them.
export function closeMenus() {
  const open = () => [...document.querySelectorAll("details.menu[open], details.me[open]")];
  addEventListener("click", ({ target }) => {
    for (const menu of open()) if (!menu.contains(target)) menu.open = false;
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      menu.open = false;
      menu.querySelector("summary").focus();
      event.stopImmediatePropagation();
    }
  });
}
