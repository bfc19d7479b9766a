// What positions are called, where there is little room.

/** A name with its end cut off where there is no room for it. */
export function shorten(context, name, room) {
  if (context.measureText(name).width <= room + 2) return name;
  const characters = [...name];
  while (characters.length && context.measureText(`${characters.join("")}…`).width > room) {
    characters.pop();
  }
  return `${characters.join("")}…`;
}

/** In a sentence or a table: what can be seen, also of white space. */
export function quote(name) {
  return `“${name.trim() || "space"}”`;
}
