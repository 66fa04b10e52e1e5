/** Questions to try, by model: s1-nano can do these kinds and nothing else. None of them is one that it learned. */

const NANO = [
  { label: "Residues", question: "Find the smallest x with x mod 11 = 3 and x mod 20 = 1.", answer: 201 },
  { label: "Congruence", question: "Find the smallest x with 17*x+12 mod 37 = 28.", answer: 14 },
  { label: "Prime factor", question: "Find the smallest prime factor of 7199.", answer: 23 },
  { label: "Power", question: "Find the smallest k with 20*2^k mod 37 = 14.", answer: 8 },
  { label: "Pair", question: "Two of 38, 35, 30, 37, 49, 28 add up to 86. Find the smaller one.", answer: 37 },
];

const ANY = [
  { label: "Clock", question: "How many times a day do the hands of a clock form a right angle?", answer: 44 },
  { label: "Count", question: "How many integers from 1 to 1000 are divisible by 3 or 5 but not by 15?", answer: 401 },
  { label: "Digits", question: "What is the sum of the digits of 2^100?", answer: 115 },
];

const ABOUT_NANO =
  "s1-nano is a miniature: it solves these five kinds of problems, in these words, and nothing else. " +
  "In its thinking “39>5” reads “39 leaves 5”.";

/** What to offer for a model: questions, a note, and a temperature ("" for the model's own). */
export function offer(model) {
  return model === "s1-nano"
    ? { examples: NANO, about: ABOUT_NANO, temperature: "0" }
    : { examples: ANY, about: "", temperature: "" };
}

/** Whether an answer ends with the known number; null where none is known for this question. */
export function isRight(question, answer) {
  const known = [...NANO, ...ANY].find((each) => each.question === question);
  const numbers = answer.match(/-?\d+/g);
  return known ? numbers !== null && Number(numbers.at(-1)) === known.answer : null;
}
