/** A request: from what the form says to the JSON that is sent, and to the same as curl or Python. */

export const UNLIMITED = -1;
const MOST_LANES = 8;

/** "64 + 2 Waits", "unlimited", "1 Wait": one budget of the list. Throws an Error that says what is wrong. */
export function parseBudget(text) {
  const budget = {};
  for (const part of text.split("+").map((each) => each.trim())) {
    const waits = /^(\d+)\s*waits?$/i.exec(part);
    if (waits) set(budget, "num_waits", Number(waits[1]), text);
    else if (/^\d+$/.test(part)) set(budget, "max_tokens", Number(part), text);
    else if (/^(unlimited|none|∞|-1)$/i.test(part)) set(budget, "max_tokens", UNLIMITED, text);
    else throw new Error(`“${text.trim()}” is no budget: write 64, unlimited, 2 Waits, or 64 + 2 Waits.`);
  }
  return budget;
}

function set(budget, field, value, text) {
  if (field in budget) throw new Error(`“${text.trim()}” says the same thing twice.`);
  budget[field] = value;
}

/** The budgets of a list with commas, each with the fields that all share. */
export function parseBudgets(text, shared) {
  const parts = text.split(",").filter((part) => part.trim());
  if (parts.length === 0) throw new Error("Write at least one budget.");
  if (parts.length > MOST_LANES) throw new Error(`At most ${MOST_LANES} budgets side by side.`);
  return parts.map((part) => ({ ...parseBudget(part), ...shared }));
}

/** A budget in words, for a heading; what is not asked the server decides, or the model's preset. */
export function describe(budget) {
  const words = [];
  const maximum = budget.max_tokens ?? UNLIMITED;
  if (maximum !== UNLIMITED) words.push(maximum === 0 ? "No thinking" : `At most ${maximum}`);
  if (budget.num_waits) words.push(`${budget.num_waits} ${budget.num_waits === 1 ? "Wait" : "Waits"}`);
  if (budget.min_tokens) words.push(`at least ${budget.min_tokens}`);
  return words.join(", ") || ("max_tokens" in budget ? "Unlimited" : "No budget asked");
}

/** The JSON of a chat completion, as a user would write it. */
export function toBody({ model, question, temperature, total, budget }) {
  return {
    model,
    messages: [{ role: "user", content: question }],
    ...(temperature === null ? {} : { temperature }),
    ...(total === null ? {} : { max_completion_tokens: total }),
    ...(Object.keys(budget).length ? { thinking_budget: budget } : {}),
  };
}

/** The same, streamed and watched. */
export function toWatched(body) {
  return { ...body, stream: true, thinking_budget: { ...body.thinking_budget, detail: true } };
}

/** For a POSIX shell. The key is not in it: it stands in $S1_API_KEY. */
export function toCurl(body, base, hasKey) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  return [
    `curl ${quoted(`${base}/chat/completions`)} \\`,
    `  -H 'Content-Type: application/json' \\`,
    ...(hasKey ? [`  -H "Authorization: Bearer $S1_API_KEY" \\`] : []),
    `  -d ${quoted(JSON.stringify(body, null, 2))}`,
  ].join("\n");
}

/** With the openai package. */
export function toPython(body, base, hasKey) {
  const { thinking_budget: budget, ...rest } = body;
  const given = Object.entries(rest).map(([name, value]) => `    ${name}=${literal(value)},`);
  if (budget) given.push(`    extra_body={"thinking_budget": ${literal(budget)}},`);
  return [
    ...(hasKey ? ["import os", ""] : []),
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${literal(base)}, api_key=${hasKey ? 'os.environ["S1_API_KEY"]' : '"none"'})`,
    "response = client.chat.completions.create(",
    ...given,
    ")",
    "choice = response.choices[0]",
    "print(choice.message.reasoning_content)",
    "print(choice.message.content)",
    "print(choice.thinking)",
  ].join("\n");
}

/** A JSON value as Python writes it; there is no true, false or null in a request of this page. */
function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const pairs = Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${literal(each)}`);
  return `{${pairs.join(", ")}}`;
}
