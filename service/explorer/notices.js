// What went wrong, in words, beside what it is about.

const FIELDS = { model: "#model", inputs: "#text-0", attention: "#controls" };

/** Show a problem, in place of the one before; null: there is none. */
export function showProblem(problem) {
  for (const place of document.querySelectorAll(".problem")) place.textContent = "";
  for (const field of document.querySelectorAll("[aria-invalid]"))
    field.removeAttribute("aria-invalid");
  document.querySelector("#key-form").hidden = problem?.status !== 401;
  if (!problem) return;
  const faults = problem.retryS ? [] : problem.errors.filter(({ loc }) => loc[0] in FIELDS);
  for (const { loc, message } of faults) {
    const field = document.querySelector(
      loc[0] === "inputs" && loc[1] === 1 ? "#text-1" : FIELDS[loc[0]],
    );
    field.setAttribute("aria-invalid", "true");
    document.querySelector(`#${field.id}-problem`).textContent = sentence(message);
  }
  if (faults.length) return;
  const again = problem.retryS ? ` Asked again in ${problem.retryS} s.` : "";
  document.querySelector("#problem").textContent = sentence(problem.message) + again;
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
