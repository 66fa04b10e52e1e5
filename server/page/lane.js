/** One run of a question under one budget: its bar, its thinking, why it closed, its answer, its code. */

import { isRight } from "./examples.js";
import { UNLIMITED, describe, toCurl, toPython, toWatched } from "./request.js";
import { BASE, Failure, chat, endThinking } from "./stream.js";
import { Transcript } from "./transcript.js";

const ENDS = {
  natural: "The model ended its thinking itself.",
  end_of_sequence: "The model ended its turn while it was thinking; it was made to answer.",
  off: "Thinking is switched off.",
  max_tokens: "Closed at the maximum.",
  context: "Closed early: the rest of the tokens is for the answer.",
  requested: "Closed by you.",
  quota: "Closed: the quota of this key is spent.",
  loop: "Closed: it was repeating itself.",
  max_steps: "Closed behind its last step.",
  alpha: "Closed: it went back to slow thinking.",
  length: "The tokens ran out while it was thinking.",
  stop: "Stopped while it was thinking.",
  error: "Ended by an error.",
};

/** Makes an element: tag, class, text, children. */
export function make(tag, { className = "", text = "", ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if (className) element.className = className;
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

export class Lane {
  /** `body`: of the request, as a user would write it. `onCount`: called when the lane's count changes.
   * `watched`: whether to ask for a detailed report; a model without known thinking marks has none. */
  constructor(body, { key, watched, onCount }) {
    this.body = body;
    this.watched = watched;
    this.key = key;
    this.onCount = onCount;
    this.maximum = body.thinking_budget?.max_tokens ?? UNLIMITED;
    this.minimum = body.thinking_budget?.min_tokens ?? 0;
    this.tokens = 0;
    this.started = 0;
    this.build();
  }

  build() {
    this.title = make("h2", { text: describe(this.body.thinking_budget ?? {}) });
    this.state = make("span", { className: "state", text: "waiting" });
    this.now = make("button", { type: "button", className: "now", text: "Answer now", hidden: true });
    this.now.addEventListener("click", () => endThinking(this.id, this.key).catch((error) => this.fail(error)));
    this.fill = make("div", { className: "fill" });
    this.track = make("div", { className: "track" }, this.fill);
    this.floor = make("div", { className: "floor", title: "minimum", hidden: true });
    this.bar = make("div", { className: "bar" }, this.track, this.floor);
    this.bar.setAttribute("role", "progressbar");
    this.bar.setAttribute("aria-label", `Thinking tokens, ${this.title.textContent}`);
    this.count = make("p", { className: "count", text: "0 tokens" });
    this.reason = make("p", { className: "reason" });
    this.thinking = make("div", { className: "thinking", tabIndex: 0 });
    this.thinking.setAttribute("role", "region");
    this.thinking.setAttribute("aria-label", `Thinking, ${this.title.textContent}`);
    this.answer = make("div", { className: "answer" });
    this.verdict = make("p", { className: "verdict" });
    this.failure = make("p", { className: "error", hidden: true });
    this.element = make(
      "article",
      { className: "lane" },
      make("header", {}, this.title, this.now, this.state),
      this.bar,
      make("div", { className: "numbers" }, this.count, this.reason),
      make("h3", { text: "Thinking" }),
      this.thinking,
      make("h3", { text: "Answer" }),
      make("div", { className: "said" }, this.answer, this.verdict),
      this.failure,
      this.code(),
    );
  }

  /** Runs to its end, whatever that is; never raises. Returns the Failure, if it was one. */
  async run(signal) {
    this.started = performance.now();
    this.show("thinking");
    const thinking = new Transcript(this.thinking, "thinking");
    const answer = new Transcript(this.answer, "answer");
    try {
      for await (const { id, delta, thinking: report } of chat(this.sent(), this.key, signal)) {
        this.id = id;
        if (report) this.report(report);
        const spans = report?.forced_spans ?? [];
        thinking.add(delta.reasoning ?? delta.reasoning_content ?? "", spans);
        if (delta.content) this.show("answering");
        answer.add(delta.content ?? "", spans);
      }
      this.finish(thinking.text, answer.text);
      return null;
    } catch (error) {
      return this.fail(error);
    }
  }

  sent() {
    return this.watched ? toWatched(this.body) : { ...this.body, stream: true };
  }

  report(report) {
    this.tokens = report.tokens;
    this.maximum = report.max_tokens; // as it held: under the server's ceiling and default
    this.minimum = report.min_tokens;
    const of = this.maximum === UNLIMITED ? "" : ` of ${this.maximum}`;
    const seconds = ((performance.now() - this.started) / 1000).toFixed(1);
    const facts = [`${this.tokens}${of} tokens`];
    if (report.waits_used) facts.push(report.waits_used === 1 ? "1 Wait" : `${report.waits_used} Waits`);
    if (report.forced_tokens) facts.push(`${report.forced_tokens} forced`);
    this.count.textContent = [...facts, `${seconds} s`].join(" · ");
    if (report.end && !this.end) {
      this.end = report.end;
      this.element.dataset.end = report.end;
      const words = ENDS[report.end] ?? `Ended: ${report.end}.`;
      this.reason.textContent = this.maximum === 0 ? "No thinking was allowed." : words;
    }
    this.now.hidden = report.end !== null;
    this.onCount();
  }

  /** `scale`: the tokens that a full bar stands for, the same in all lanes. */
  draw(scale) {
    const open = this.maximum === UNLIMITED;
    this.track.style.width = open ? "100%" : `${(100 * this.maximum) / scale}%`;
    this.track.classList.toggle("open", open);
    const of = open ? scale : Math.max(this.maximum, 1);
    this.fill.style.width = `${Math.min(100, (100 * this.tokens) / of)}%`;
    this.floor.hidden = this.minimum === 0;
    this.floor.style.left = `${(100 * this.minimum) / scale}%`;
    this.bar.setAttribute("aria-valuemin", "0");
    this.bar.setAttribute("aria-valuemax", String(of));
    this.bar.setAttribute("aria-valuenow", String(Math.min(this.tokens, of)));
    this.bar.setAttribute("aria-valuetext", this.count.textContent);
  }

  show(state) {
    this.state.textContent = state;
    this.element.dataset.state = state;
  }

  finish(thinking, answer) {
    this.show("done");
    if (!thinking.trim()) this.thinking.append(make("em", { text: "No thinking." }));
    if (!answer.trim()) this.answer.append(make("em", { text: "No answer." }));
    const right = isRight(this.body.messages[0].content, answer);
    if (right === null) return;
    this.verdict.textContent = right ? "✓ right" : "✗ wrong";
    this.verdict.dataset.right = String(right);
  }

  /** How it went, in words. */
  summary() {
    const parts = [this.failure.textContent || this.reason.textContent, this.count.textContent];
    return [...parts, this.answer.textContent, this.verdict.textContent].filter(Boolean).join(" ");
  }

  fail(error) {
    this.now.hidden = true;
    if (error.name === "AbortError") {
      this.show("stopped");
      this.reason.textContent ||= "Stopped by you.";
      return null;
    }
    if (!(error instanceof Failure)) console.error(error);
    this.show("failed");
    this.element.classList.toggle("nothing", this.tokens === 0);
    this.failure.textContent = error.message;
    this.failure.hidden = false;
    return error;
  }

  code() {
    const shown = make("pre", { tabIndex: 0 });
    const copy = make("button", { type: "button", className: "copy", text: "Copy" });
    const ways = [
      ["curl", toCurl],
      ["Python", toPython],
    ].map(([name, write]) => {
      const button = make("button", { type: "button", text: name });
      button.addEventListener("click", () => {
        ways.forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
        shown.textContent = write(this.body, BASE, Boolean(this.key));
        copy.textContent = "Copy";
      });
      return button;
    });
    copy.addEventListener("click", async () => {
      copy.textContent = (await copied(shown)) ? "Copied" : "Selected: press Ctrl C";
    });
    ways[0].click();
    const bar = make("div", { className: "ways" }, ...ways, copy);
    return make("details", { className: "code" }, make("summary", { text: "This request as code" }), bar, shown);
  }
}

/** Whether the element's text is on the clipboard; without the right to it (plain HTTP) it is selected. */
async function copied(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}
