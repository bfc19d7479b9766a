// What went wrong, in words, beside what it is about.

/** Show a problem, in place of the one before; null: there is none. */
export function showProblem(problem) {
  for (const place of document.querySelectorAll(".problem")) place.textContent = "";
  for (const field of document.querySelectorAll("[aria-invalid]"))
    field.removeAttribute("aria-invalid");
  document.querySelector("#key-form").hidden = problem?.status !== 401;
  if (!problem) return;
  const faults = problem.retryS ? [] : problem.errors.filter(({ loc }) => fieldOf(loc));
  for (const { loc, message } of faults) {
    const field = fieldOf(loc);
    field.setAttribute("aria-invalid", "true");
    const place = field.getAttribute("aria-describedby").split(" ").at(-1);
    const inside = loc[0] === "inputs" ? loc.slice(2).join(".") : "";
    document.querySelector(`#${place}`).textContent =
      (inside && `${inside}: `) + sentence(message);
  }
  if (faults.length) return;
  const again = problem.retryS ? ` Asked again in ${problem.retryS} s.` : "";
  document.querySelector("#problem").textContent = sentence(problem.message) + again;
}

/** What a place in a request is about. */
function fieldOf([part, index]) {
  if (part === "model") return document.querySelector("#model");
  if (part === "attention") return document.querySelector("#controls");
  if (part !== "inputs") return null;
  return document.querySelector(`#field-${index === 1 ? 1 : 0} .given:not([hidden])`);
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
