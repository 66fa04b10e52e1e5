"use strict";
// The list is made of the index alone; a problem's texts are decoded when it is opened.

const $ = (id) => document.getElementById(id);
const index = JSON.parse($("index").textContent);
const texts = $("texts").textContent;
const offsets = [0];
for (const length of index.lengths) offsets.push(offsets.at(-1) + length);

const STEP = 200;
const STATES = {
  all: () => true,
  wrong: (states) => states.some((state) => state[0] === "-"),
  right: (states) => states.length > 0 && states.every((state) => state[0] === "+"),
  disagree: (states) => states.some((state) => state[0] === "+") && states.some((state) => state[0] === "-"),
  cut: (states) => states.some((state) => state.includes("c")),
  none: (states) => states.some((state) => state.includes("n")),
  failed: (states) => states.some((state) => state[0] === "!"),
};
const WORDS = { "+": ["✓", "right"], "-": ["✗", "wrong"], "!": ["!", "failed"] };

let chosen = index.columns.map((_, at) => at).slice(0, 6);
let found = [];
let shown = 0;
let opened = null;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function wanted(problem) {
  const [id, domain, question, cells] = problem;
  const text = $("text").value.toLowerCase();
  if ($("domain").value && domain !== $("domain").value) return false;
  if (text && !id.toLowerCase().includes(text) && !question.toLowerCase().includes(text)) return false;
  return STATES[$("state").value](chosen.filter((at) => cells[at]).map((at) => cells[at][0]));
}

function list() {
  found = index.problems.map((_, at) => at).filter((at) => wanted(index.problems[at]));
  shown = 0;
  const elsewhere = index.pages.length > 1 ? `; ${index.total.toLocaleString()} in all files` : "";
  $("count").textContent =
    `${found.length.toLocaleString()} of ${index.problems.length.toLocaleString()} problems${elsewhere}`;
  $("head").replaceChildren(element("th", "problem"));
  for (const at of chosen) $("head").append(element("th", index.columns[at], "cell"));
  $("body").replaceChildren();
  more();
}

function more() {
  for (const at of found.slice(shown, shown + STEP)) $("body").append(line(at));
  shown += STEP;
  $("more").hidden = shown >= found.length;
}

function line(at) {
  const [id, domain, question, cells] = index.problems[at];
  const row = element("tr");
  row.dataset.at = at;
  row.setAttribute("aria-selected", String(at === opened));
  const name = element("td");
  name.append(element("button", id), element("small", domain ? `${domain}: ${question}` : question));
  row.append(name);
  for (const column of chosen) row.append(stateOf(cells[column]));
  return row;
}

function stateOf(cell) {
  if (!cell) return element("td", "", "cell");
  const [sign, word] = WORDS[cell[0][0]];
  const marks = (cell[0].includes("c") ? " cut" : "") + (cell[0].includes("n") ? " no answer" : "");
  const made = element("td", `${sign}${marks} ${cell[1] ?? ""}`, `cell ${word}`);
  made.title = `${word}${marks}${cell[1] === null ? "" : `, ${cell[1]} thinking tokens`}`;
  return made;
}

async function textsOf(at) {
  const bytes = Uint8Array.from(atob(texts.slice(offsets[at], offsets[at + 1])), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

async function open(at) {
  opened = at;
  for (const row of $("body").rows) row.setAttribute("aria-selected", String(Number(row.dataset.at) === at));
  const [id, domain] = index.problems[at];
  const told = await textsOf(at);
  if (opened !== at) return;
  const replies = element("div");
  replies.id = "replies";
  for (const column of chosen) if (told.cells[column]) replies.append(reply(column, told.cells[column]));
  $("opened").replaceChildren(element("h2", domain ? `${id} (${domain})` : id));
  if (told.question) $("opened").append(element("pre", told.question));
  if (told.reference) $("opened").append(element("h3", "reference answer"), element("pre", told.reference));
  $("opened").append(replies);
}

function reply(column, cell) {
  const made = element("article");
  made.append(element("h2", index.columns[column]));
  if (cell.failure) made.append(element("p", cell.failure, "failed"));
  const facts = element("dl");
  for (const [name, value] of Object.entries({ extracted: cell.extracted ?? "no answer", ...cell.facts })) {
    facts.append(element("dt", name), element("dd", String(value)));
  }
  made.append(facts);
  if (cell.prompt) made.append(element("h3", "question"), element("pre", cell.prompt));
  if (cell.thinking) made.append(element("h3", "thinking"), marked(cell.thinking, spansOf(cell, "thinking")));
  const from = cell.from ? cell.answer.lastIndexOf(cell.from) : -1;
  const spans = spansOf(cell, "answer");
  if (from >= 0 && spans.length === 0) {
    const start = [...cell.answer.slice(0, from)].length;
    spans.push({ start, end: start + [...cell.from].length, kind: "from" });
  }
  if (cell.answer) made.append(element("h3", "answer"), marked(cell.answer, spans));
  return made;
}

function spansOf(cell, part) {
  return cell.spans.filter((span) => span.part === part);
}

// Spans count code points, as the server's report does.
function marked(text, spans) {
  const points = [...text];
  const made = element("pre");
  let done = 0;
  for (const { start, end, kind } of spans) {
    made.append(points.slice(done, start).join(""));
    const mark = element("mark", points.slice(start, end).join(""), kind);
    mark.title = kind === "from" ? "the answer was read from here" : `forced: ${kind}`;
    made.append(mark);
    done = end;
  }
  made.append(points.slice(done).join(""));
  return made;
}

function setUp() {
  for (const domain of new Set(index.problems.map((problem) => problem[1]))) {
    if (domain) $("domain").append(new Option(domain, domain));
  }
  index.columns.forEach((name, at) => {
    const label = element("label");
    const box = element("input");
    box.type = "checkbox";
    box.value = at;
    box.checked = chosen.includes(at);
    label.append(box, ` ${name}`);
    $("columns").append(label);
  });
  $("columns").addEventListener("change", () => {
    chosen = [...$("columns").querySelectorAll("input:checked")].map((box) => Number(box.value));
    list();
    if (opened !== null) open(opened);
  });
  $("filters").addEventListener("input", list);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("more").addEventListener("click", more);
  $("body").addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) open(Number(row.dataset.at));
  });
  if (index.pages.length > 1) {
    $("pages").hidden = false;
    index.pages.forEach((name, at) => {
      const made = element(at === index.page ? "b" : "a", `file ${at + 1}`);
      if (at !== index.page) made.href = encodeURIComponent(name);
      $("pages").append(made);
    });
  }
  list();
}

setUp();
