/** Paints text as it comes, forced characters apart. Whatever the model says becomes text and nothing else. */

const NEAR_END_PX = 48;

export class Transcript {
  /** `box`: the element that holds the text, and scrolls with it while its end is in view. */
  constructor(box, part) {
    this.box = box;
    this.part = part;
    this.length = 0;
    this.text = "";
    this.last = null;
    this.hasBegun = false;
  }

  /** `spans`: what the server says was forced, at least in all text up to the end of this piece. */
  add(piece, spans) {
    if (!piece) return;
    const follows = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR_END_PX;
    const mine = spans.filter((span) => span.part === this.part && span.end > this.length);
    for (const character of piece) {
      const span = mine.find(({ start, end }) => start <= this.length && this.length < end);
      this.put(character, span?.kind ?? null);
      this.length += 1; // in code points, as spans count
    }
    this.text += piece;
    if (follows) this.box.scrollTop = this.box.scrollHeight;
  }

  put(character, kind) {
    if (this.last === null || this.last.kind !== kind) {
      const node = document.createTextNode("");
      if (kind === null) {
        this.box.append(node);
      } else {
        const mark = document.createElement("mark");
        mark.className = `forced ${kind}`;
        mark.title = `forced by the server: ${kind}`;
        mark.append(node);
        this.box.append(mark);
      }
      this.last = { kind, node };
    }
    this.hasBegun ||= character.trim() !== ""; // blank lines before the first word are not shown
    if (this.hasBegun) this.last.node.appendData(character);
  }
}
