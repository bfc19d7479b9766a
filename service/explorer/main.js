// The page: a view (state.js), what the service answers to it, and both drawn.

import { Asker, Problem, listModels, predict, rememberKey, remembersKey } from "./api.js";
import { drawResult, drawTiming } from "./answer.js";
import { Controls } from "./controls.js";
import * as takeAway from "./export.js";
import { Grid } from "./grid.js";
import { make } from "./make.js";
import { showProblem } from "./notices.js";
import { Narrowing } from "./narrow.js";
import { Pane } from "./pane.js";
import { firstOf, takesTheSame } from "./inputs.js";
import { requestOf, textsOf } from "./request.js";
import { isLinked, read, welcome, write } from "./state.js";
import { tracksOf } from "./tracks.js";
import { sayPart } from "./words.js";

const LETTERS = ["A", "B"];
const LINKING_MS = 200; // browsers bear no more than some changes of the address a second
const SAYING_MS = 300;

const element = (id) => document.querySelector(`#${id}`);
const asker = new Asker();
const narrowing = new Narrowing();
let view = location.hash ? read(location.hash) : welcome();
let models = [];
let answer = null;
let asked = ""; // the body that is answered, or being answered
let drawing = 0;
let linking = 0;
let saying = 0;

const controls = new Controls(change);
const grid = new Grid(element("grid"), (at) => {
  const heads = [...view.heads];
  heads[view.compare === "heads" ? Number(view.active) : 0] = at;
  change({ heads });
});
const panes = [0, 1].map((index) => {
  const host = element(`pane-${index}`);
  host.append(element("pane").content.cloneNode(true));
  return new Pane(host, { pick: (position) => pick(index, position), say });
});

/** The view becomes another; what that needs is asked and drawn. */
function change(changes, waitMs = 0) {
  const before = model();
  view = { ...view, ...changes };
  if (before && !takesTheSame(before, model())) {
    view = { ...view, texts: [firstOf(model()), ""], selected: [null, null] };
  }
  clearTimeout(linking);
  linking = setTimeout(() => history.replaceState(null, "", link()), LINKING_MS);
  controls.show(view, model());
  ask(waitMs);
  draw();
}

const link = () => new URL(`#${write(view)}`, location).href;

/** The one that is asked; where there is none of that name, the default one. */
const model = () => models.find(({ name }) => name === view.model) ?? models.find((m) => m.default);

function ask(waitMs) {
  if (!models.length) return;
  if (!textsOf(view).length) {
    asker.cancel();
    asked = "";
    setAnswer(null);
    return;
  }
  let body;
  try {
    body = narrowing.bodyOf(view, model());
  } catch (problem) {
    asker.cancel();
    fail(problem);
    return;
  }
  if (JSON.stringify(body) === asked) return;
  asked = JSON.stringify(body);
  element("results").setAttribute("aria-busy", "true");
  const about = model();
  asker.ask((signal) => predict(body, about.attention.heads, signal), {
    waitMs,
    answered(given) {
      narrowing.answered(given);
      const tracks = given.results.map((result) => tracksOf(result, about.heads));
      setAnswer({ ...given, asked: body, about, tracks });
      ask(0); // the chosen position may be beyond the rows that were asked for
    },
    failed(problem) {
      const told = narrowing.failed(problem, body);
      if (told) fail(told);
      else ask(0);
    },
  });
}

function setAnswer(given) {
  answer = given;
  showProblem(null);
  element("results").setAttribute("aria-busy", "false");
  drawAnswer();
  draw();
}

function fail(error) {
  const known = error instanceof Problem;
  if (!known) console.error(error);
  const problem = known ? error : new Problem({ title: "This page failed", detail: error.message });
  setAnswer(null);
  showProblem(problem);
  if (!problem.retryS) asked = "";
}

function drawAnswer() {
  element("results").classList.toggle("empty", !answer);
  if (!answer) return;
  const { results, about } = answer;
  const { inputs } = answer.asked;
  const parts = results.map((result, index) => {
    const letter = results.length > 1 ? LETTERS[index] : "";
    return make("article", "result", ...drawResult(letter, inputs[index], result, about));
  });
  element("heads").replaceChildren(...parts);
  element("timing").replaceChildren(...drawTiming(answer.timing));
  element("positions").textContent = `${answer.usage.positions} positions`;
}

/** What each pane shows. */
function shown() {
  const { compare, threshold, picture } = view;
  const { results, about, tracks } = answer;
  const { inputs } = answer.asked;
  const count = compare === "heads" ? 2 : results.length;
  return Array.from({ length: count }, (_, pane) => {
    const result = results.length > 1 ? pane : 0;
    const weights = results[result].attention;
    const head = compare === "heads" ? pane : 0;
    return {
      model: about,
      letter: count > 1 ? LETTERS[pane] : "",
      input: inputs[result],
      result,
      weights,
      tracks: tracks[result],
      at: weights.locate(view.heads[head]),
      selected: view.selected[result],
      threshold,
      picture,
    };
  });
}

/** Draw the attention, once before the next frame. */
function draw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => {
    if (!answer) return;
    const { results, about } = answer;
    const weights = results[view.active]?.attention ?? results[0].attention;
    const { layers, heads } = about.attention;
    const single = weights.kind === "rollout";
    grid.show(layers, single ? ["mean"] : [...Array(heads).keys(), "mean"], weights);
    const each = shown();
    element("attention").dataset.panes = each.length;
    panes.forEach((pane, index) => {
      element(`pane-${index}`).hidden = index >= each.length;
      if (index < each.length) pane.show(each[index]);
    });
    element("partial").textContent = sayPart(each[0]);
    const named = view.compare === "heads" ? each : each.slice(0, 1);
    grid.choose(named.map(({ at, letter }) => ({ at, name: named.length > 1 ? letter : "" })));
  });
}

function pick(pane, position) {
  const result = view.compare === "texts" ? pane : 0;
  const selected = [...view.selected];
  selected[result] = selected[result] === position ? null : position;
  change({ selected });
}

/** To those who listen; of many words in short order the last. */
function say(words) {
  clearTimeout(saying);
  saying = setTimeout(() => (element("said").textContent = words), SAYING_MS);
}

function load() {
  asker.ask(listModels, {
    failed: fail,
    answered(found) {
      models = found;
      controls.setModels(models);
      if (!models.length) return fail(new Problem({ title: "No model is being served" }));
      change({ texts: [view.texts[0] || firstOf(model()), view.texts[1]] });
    },
  });
}

const actions = {
  link: () => [link(), isLinked(view) ? "Link copied" : "Link copied, without the input"],
  curl() {
    const { layer, head } = shown()[0].at;
    const { query } = answer.asked.attention;
    const heads = head === "mean" ? "mean" : [head];
    const body = requestOf(view, answer.about, { layers: [layer], heads, query });
    const url = new URL("v1/predict", location.href).href;
    const command = takeAway.toCurl(url, body, remembersKey());
    const reads = command.includes('"$FILE"') ? "; it reads $FILE" : "";
    return [command, `Command copied${reads}`];
  },
  png: () => takeAway.toPng(pictures()),
  svg: () => takeAway.toSvg(pictures()),
  json: () => takeAway.toJson(answer, shown()),
};

function pictures() {
  const each = shown();
  return {
    picture: view.picture,
    panes: each.map(({ letter, input }, i) => {
      const written = typeof input === "string" ? input : "";
      const parts = [letter, model().name, panes[i].title, view.kind, written];
      return { title: parts.filter(Boolean).join(" · "), scene: panes[i].scene };
    }),
  };
}

element("take").addEventListener("click", async ({ target }) => {
  const name = target.closest("button")?.dataset.action;
  if (!name || !answer) return;
  if (name === "link" || name === "curl") {
    const [text, told] = actions[name]();
    await takeAway.copy(text);
    element("taken").textContent = told;
  } else {
    takeAway.download(await actions[name](), `attention.${name}`);
    element("taken").textContent = `${name.toUpperCase()} saved`;
  }
});

element("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  rememberKey(element("key").value.trim());
  element("key").value = "";
  if (models.length) ask(0);
  else load();
});

addEventListener("hashchange", () => {
  view = read(location.hash);
  change({});
});
addEventListener("theme", draw);

load();
