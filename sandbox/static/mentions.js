// Mentioning members of a group: picked from a list, or written out behind an @.

import { byId, make } from "./dom.js";

/** Who is mentioned by name. */
export function mentionedIn(text, members) {
  const said = text.toLowerCase();
  return members.filter(({ name }) => said.includes(`@${name.toLowerCase()}`)).map(({ user }) => user);
}

/** The list opens by its button, and while one types behind an @.  `members` gives who can be picked. */
export function connectMentions(field, members) {
  const menu = byId("members");
  const show = (found) => {
    byId("member-list").replaceChildren(...found.map((member) => memberItem(member, field)));
  };
  menu.addEventListener("beforetoggle", () => {
    if (!begunName(field)) show(members());
  });
  field.addEventListener("input", () => {
    const begun = begunName(field);
    const found = begun ? members().filter(({ name }) => `@${name}`.toLowerCase().startsWith(begun)) : [];
    show(found);
    menu.togglePopover(found.length > 0);
  });
}

function memberItem({ name, isRobot }, field) {
  const label = isRobot ? `${name} (robot)` : name;
  const button = make("button", { type: "button", textContent: label });
  button.addEventListener("click", () => {
    insert(field, name);
    field.focus();
  });
  return button;
}

/** What stands before the cursor from an @ on, in lower case; "" where no name is being written. */
function begunName(field) {
  const before = field.value.slice(0, field.selectionStart);
  return /(?:^|\s)(@\S*)$/.exec(before)?.[1].toLowerCase() ?? "";
}

function insert(field, name) {
  const end = field.selectionStart;
  const start = end - begunName(field).length;
  const gap = start && !/\s/.test(field.value[start - 1]) ? " " : "";
  field.setRangeText(`${gap}@${name} `, start, end, "end");
  field.dispatchEvent(new Event("input"));
}
