"use strict";

// One picture, every chosen model's answer to it. Whatever a server or a label says is put into
// the page as text, never as HTML.

const at = (id) => document.getElementById(id);
const SHOWN = 5;
const STAGES = ["decode", "queue", "compute", "transfer"];
const WORDS = {
  agrees: ["good", "Proven"],
  unproven: ["unsure", "Not proven"],
  "not compared": ["unsure", "Not compared"],
};

let models = [];
let token = "";
let picture = null; // { blob, name }
let asked = 0; // a later question's answers are not overwritten by an earlier one's
let address = "";

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

async function request(path, options = {}) {
  const headers = { ...(options.headers || {}) };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  let said = "";
  try {
    said = (await response.json()).error || "";
  } catch {
    said = "";
  }
  if (response.status === 401) {
    at("token").hidden = false;
    at("token-text").focus();
    throw new Error(token ? "That is not this server's token." : "This server asks for its token.");
  }
  if (response.status === 413) throw new Error(`The picture is too large. ${said}`.trim());
  if (response.status === 503 && response.headers.get("Retry-After")) {
    const seconds = response.headers.get("Retry-After");
    throw new Error(`The server has too much to do. Try again in ${seconds} s.`);
  }
  throw new Error(said || `The server answered ${response.status} and did not say why.`);
}

// Models

function takesPictures(model) {
  return model.card.takes_pictures;
}

function verdictOf(model) {
  if (!model.ready) return ["bad", "Not ready"];
  return WORDS[model.proof && model.proof.result] || ["unsure", "Not compared"];
}

function said(model) {
  if (!model.ready) return model.reason || "it is loading";
  const sentence = (model.proof && model.proof.sentence) || "nothing was compared before it was ready";
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

function tensors(specs) {
  return (specs || [])
    .map((spec) => {
      const shape = spec.shape.map((size) => (size < 0 ? "?" : size));
      return `${spec.name} ${spec.datatype} [${shape.join(", ")}]`;
    })
    .join("; ");
}

function verdictLine(model) {
  const [kind, word] = verdictOf(model);
  return element("p", `verdict ${kind}`, word);
}

function card(model) {
  const made = element("article", "card");
  made.setAttribute("aria-label", `Model ${model.name}`);
  made.append(element("h3", "", model.name));
  made.append(verdictLine(model));
  made.append(element("p", "said", `${said(model).replace(/\.$/, "")}.`));
  if (models.length > 1 && takesPictures(model)) {
    const label = element("label", "choice");
    const box = element("input");
    box.type = "checkbox";
    box.checked = model.chosen;
    box.disabled = !model.ready;
    box.addEventListener("change", () => {
      model.chosen = box.checked;
      ask();
    });
    label.append(box, element("span", "", "ask it about the picture"));
    made.append(label);
  }
  const rows = [
    ["backend", [model.backend, model.precision].filter(Boolean).join(", ")],
    ["input", tensors(model.inputs)],
    ["output", tensors(model.outputs)],
    ...model.card.rows.map((row) => [row.name, row.value]),
  ];
  const pairs = element("dl", "pairs");
  for (const [name, value] of rows.filter((row) => row[1])) {
    const pair = element("div");
    pair.append(element("dt", "", name), element("dd", "", value));
    pairs.append(pair);
  }
  const details = element("details");
  details.open = models.length < 3;
  details.append(element("summary", "", "Card"), pairs);
  made.append(details);
  return made;
}

function showModels() {
  const ready = models.filter((model) => model.ready).length;
  const one = models.length === 1;
  at("served").textContent = models.length
    ? `${models.length} model${one ? "" : "s"} served, ${ready === models.length ? (one ? "ready" : "all ready") : `${ready} ready`}`
    : "No model is served.";
  at("models-note").textContent = models.length
    ? "Before a model is ready, its answers are held against native Paddle's."
    : "Start it with one: paddleport serve MODEL";
  at("cards").replaceChildren(...models.map(card));
}

async function loadModels() {
  try {
    const list = await (await request("/v1/models")).json();
    const before = new Map(models.map((model) => [model.name, model]));
    let left = 2;
    models = list.map((model) => {
      const known = before.get(model.name);
      const chosen = known && known.ready
        ? known.chosen
        : model.ready && takesPictures(model) && left > 0;
      if (chosen) left -= 1;
      return { ...model, chosen };
    });
    showModels();
    if (at("status").classList.contains("problem")) say("");
    if (models.some((model) => !model.ready)) setTimeout(loadModels, 3000);
  } catch (error) {
    at("served").textContent = "The models are not known.";
    say(error.message, true);
  }
}

// Answers

function say(text, problem = false, seen = true) {
  at("status").textContent = text;
  at("status").classList.toggle("unseen", !seen); // what the columns show is only read out
  at("status").classList.toggle("problem", problem && Boolean(text));
}

function stagesOf(header) {
  const found = {};
  for (const part of (header || "").split(",")) {
    const [name, ...parameters] = part.split(";").map((text) => text.trim());
    const duration = parameters.find((text) => text.startsWith("dur="));
    if (name && duration) found[name] = Number(duration.slice(4));
  }
  return found;
}

function milliseconds(value) {
  if (value >= 100) return `${value.toFixed(0)} ms`;
  return value >= 10 ? `${value.toFixed(1)} ms` : `${value.toFixed(2)} ms`;
}

function stages(found, total) {
  const made = element("div", "stages");
  const known = Object.keys(found).filter((name) => name !== "total");
  const names = [...STAGES.filter((name) => known.includes(name)), ...known.filter((name) => !STAGES.includes(name))];
  const heading = element("h4");
  const way = `${milliseconds(total)} as this browser sees it`;
  if (found.total === undefined) heading.append(way);
  else heading.append(`${milliseconds(found.total)} in the server`, element("span", "light", `, ${way}`));
  made.append(heading);
  if (!names.length) return made;
  const strip = element("div", "strip");
  strip.setAttribute("aria-hidden", "true");
  const list = element("ul", "stage-list");
  list.setAttribute("aria-label", "Latency by stage");
  names.forEach((name, index) => {
    const kind = STAGES.includes(name) ? STAGES.indexOf(name) : 4;
    const part = element("span", `stage-${kind}`);
    part.style.flexGrow = String(Math.max(found[name], 0));
    strip.append(part);
    const item = element("li");
    item.append(element("span", `swatch stage-${kind}`), `${name} `, element("b", "", milliseconds(found[name])));
    list.append(item);
  });
  made.append(strip, list);
  return made;
}

function predictionsOf(answer) {
  const found = answer.predictions;
  return Array.isArray(found) && found.every((item) => typeof item.score === "number") ? found : null;
}

function nameOf(item) {
  return item.label || `class ${item.index}`;
}

function scoreText(score) {
  return score >= 0 && score <= 1 ? `${(100 * score).toFixed(1)} %` : score.toFixed(3);
}

function scores(predictions) {
  const list = element("ol", "scores");
  const shown = predictions.slice(0, SHOWN);
  const shares = shown.every((item) => item.score >= 0 && item.score <= 1);
  const top = Math.max(...shown.map((item) => Math.abs(item.score)), 1e-9);
  for (const item of shown) {
    const row = element("li");
    const fill = element("span", "fill");
    fill.setAttribute("aria-hidden", "true");
    fill.style.width = `${100 * (shares ? item.score : Math.max(item.score, 0) / top)}%`;
    const label = element("span", "label", nameOf(item));
    if (item.label) label.append(" ", element("span", "index", String(item.index)));
    const track = element("span", "track");
    track.append(fill, label);
    row.append(track, element("span", "score", scoreText(item.score)));
    list.append(row);
  }
  return list;
}

function column(model) {
  const made = element("article", "answer");
  made.setAttribute("aria-label", `Answer of ${model.name}`);
  made.append(element("h3", "", model.name));
  made.append(element("p", "what", [model.backend, model.precision].filter(Boolean).join(", ")));
  made.append(verdictLine(model));
  return made;
}

async function answer(model, into) {
  const began = performance.now();
  const response = await request(`/v1/classify?model=${encodeURIComponent(model.name)}`, {
    method: "POST",
    body: picture.blob,
    headers: { "Content-Type": picture.blob.type || "application/octet-stream" },
  });
  const body = await response.json();
  const total = performance.now() - began;
  const predictions = predictionsOf(body);
  if (predictions) into.append(scores(predictions));
  else into.append(element("pre", "", JSON.stringify(body, null, 2))); // another task's answer
  into.append(stages(stagesOf(response.headers.get("Server-Timing")), total));
  return predictions;
}

function compare(found) {
  const told = found.filter((item) => item.predictions && item.predictions.length);
  const line = at("agreement");
  line.hidden = told.length < 2;
  if (line.hidden) return;
  const tops = told.map((item) => item.predictions[0]);
  const same = tops.every((top) => nameOf(top) === nameOf(tops[0]));
  line.className = `together-line ${same ? "good" : "bad"}`;
  const all = told.length === 2 ? "Both" : `All ${told.length}`;
  if (!same) {
    line.textContent = `They do not agree: ${told.map((item, index) => `${item.model.name} says ${nameOf(tops[index])}`).join(", ")}.`;
    return;
  }
  const apart = Math.max(...tops.map((top) => top.score)) - Math.min(...tops.map((top) => top.score));
  const shares = tops.every((top) => top.score >= 0 && top.score <= 1);
  const by = shares ? `${apart < 5e-6 ? "less than 0.001" : (100 * apart).toFixed(3)} points` : apart.toPrecision(2);
  line.textContent = `${all} agree: ${nameOf(tops[0])}; the scores are ${by} apart.`;
}

async function ask() {
  if (!picture) return;
  const question = (asked += 1);
  const chosen = models.filter((model) => model.ready && model.chosen);
  at("agreement").hidden = true;
  at("nothing-yet").hidden = true;
  if (!chosen.length) {
    at("columns").replaceChildren();
    const none = models.some((model) => model.ready && takesPictures(model));
    const why = none
      ? "No model is chosen: tick one below."
      : "No model that takes pictures is ready. Why is written on its card below.";
    say(why, true);
    return;
  }
  say(`Asking ${chosen.map((model) => model.name).join(" and ")} …`);
  const made = chosen.map((model) => ({ model, into: column(model), predictions: null }));
  const failed = [];
  for (const item of made) { // one after the other, so that none slows another down
    try {
      item.predictions = await answer(item.model, item.into);
    } catch (error) {
      item.into.append(element("p", "problem", error.message));
      failed.push(item.model.name);
    }
    if (question !== asked) return;
  }
  at("columns").replaceChildren(...made.map((item) => item.into));
  compare(made);
  const best = made
    .filter((item) => item.predictions && item.predictions.length)
    .map((item) => `${item.model.name}: ${nameOf(item.predictions[0])}, ${scoreText(item.predictions[0].score)}`);
  say([...best, ...failed.map((name) => `${name}: no answer`)].join("; "), false, false);
}

function take(blob, name) {
  if (!blob) return;
  if (blob.type && !blob.type.startsWith("image/")) {
    say(`${name} is no picture (${blob.type}): choose a JPEG, PNG, BMP or WebP file.`, true);
    return;
  }
  picture = { blob, name };
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(blob);
  at("preview").src = address;
  at("preview").alt = `The picture ${name}`;
  at("preview").hidden = false;
  at("hint").hidden = true;
  at("drop").classList.add("filled");
  const size = blob.size < 1e6 ? `${Math.ceil(blob.size / 1e3)} kB` : `${(blob.size / 1e6).toFixed(1)} MB`;
  at("named").textContent = `${name}, ${size}`;
  ask();
}

function listen() {
  at("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) take(file, file.name);
    event.target.value = ""; // the same one can be chosen again
  });
  at("sample").addEventListener("click", async () => {
    try {
      take(await (await request("/page/sample.png")).blob(), "the sample that paddleport draws");
    } catch (error) {
      say(error.message, true);
    }
  });
  at("preview").addEventListener("error", () => { // the server may read what a browser can't
    at("preview").hidden = true;
    at("hint").hidden = false;
    at("drop").classList.remove("filled");
  });
  document.addEventListener("paste", (event) => {
    const [file] = [...(event.clipboardData ? event.clipboardData.files : [])];
    if (file) take(file, file.name || "what was pasted");
  });
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => event.preventDefault()); // never opened instead
  }
  document.addEventListener("dragover", () => at("drop").classList.add("over"));
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) at("drop").classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    at("drop").classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) take(file, file.name);
    else say("That is no file: drop a picture from a folder.", true);
  });
  at("token").addEventListener("submit", async (event) => {
    event.preventDefault();
    token = at("token-text").value;
    at("token").hidden = true;
    await loadModels();
    ask();
  });
}

listen();
loadModels();
