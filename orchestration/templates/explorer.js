// The explorer's choices. The numbers are those of `data`, made by SQL: this script selects, orders
// and writes them, and adds up nothing. Names are only written as text.
// In a function, since the script of the charts has short names of its own.
(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("controls");
const SELECTS = ["source", "what", "lens", "view", "grain"];
const LABELS = { source: "source", what: "subject", lens: "lens", view: "reading of the registry", grain: "periods",
  from: "first period", to: "last period", bounds: "bounds", member: "name" };
const REST = new Set(["unidentified", "other_models"]);
const FREE = ["#2a9d6f", "#7a5ea8", "#18909c", "#b5651d", "#d66fa8", "#708a1f", "#94674c", "#5b7f99"];
const DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3]];
const MOST_LINES = 12, MOST_ROWS = 400, USUAL = 6;
const at = (id) => document.getElementById(id);
// "ISO weeks" keeps its capitals within a sentence, "Calendar months" does not.
const inSentence = (label) => /^[A-Z]{2}/.test(label) ? label : label.toLowerCase();
const labelOf = (name, value) => (data.choices[name].find(([id]) => id === value) || [value, value])[1];
const grouped = (number) => BigInt(number).toLocaleString("en-US");
const percent = (millionths) => `${(millionths / 1e4).toFixed(2)} %`;

// What can be chosen, given what is chosen before it.
function options(name, state) {
  const before = SELECTS.slice(0, SELECTS.indexOf(name));
  const held = new Set(data.sets.filter((one) => before.every((k) => one[k] === state[k])).map((one) => one[name]));
  return data.choices[name].map(([id]) => id).filter((id) => held.has(id));
}

function setOf(state) { return data.sets.find((one) => SELECTS.every((k) => one[k] === state[k])); }
function periodsOf(state) { return data.periods[`${state.source}|${state.grain}`]; }
function namesOf(state) { return data.members[state.what]; }

// The rows of a set from one period to another, the newest period first.
function* rowsOf(state, first, last) {
  const one = setOf(state), periods = periodsOf(state), names = namesOf(state);
  const starts = [];
  one.n.reduce((sum, n) => (starts.push(sum), sum + n), 0);
  for (let p = last; p >= first; p--)
    for (let i = starts[p]; i < starts[p] + one.n[p]; i++)
      yield { p, start: periods.start[p], days: periods.days[p], complete: periods.complete[p], total: periods.total[p],
        id: names.id[one.m[i]], name: names.name[one.m[i]], tokens: one.t[i], share: one.s[i],
        low: (one.l || one.s)[i], high: one.h[i], rank: one.r[i] || null };
}

// Everybody in a set: the largest of the last complete period that is shown first, then those of the
// other periods that are shown (`here`), then everybody else.
function everybody(state) {
  const { start, complete } = periodsOf(state), first = start.indexOf(state.from), last = start.indexOf(state.to);
  const whole = complete.lastIndexOf(1, last), newest = whole < first ? last : whole, found = new Map();
  for (const [a, b] of [[newest, newest], [first, last], [0, start.length - 1]]) {
    for (const row of rowsOf(state, a, b)) if (!found.has(row.id)) found.set(row.id, row.name);
    if (a === first && b === last) state.here = new Set(found.keys());
  }
  const ids = [...found.keys()];
  return [...ids.filter((id) => !REST.has(id)), ...ids.filter((id) => REST.has(id))].map((id) => [id, found.get(id)]);
}

function usual(state) {
  const ids = state.everyone.map(([id]) => id).filter((id) => state.here.has(id));
  return [...ids.filter((id) => !REST.has(id)).slice(0, USUAL), ...ids.filter((id) => id === "unidentified")];
}

// A whole state from what is asked for. What is not here is replaced, and said in `notices`.
function resolve(asked) {
  const state = {}, notices = [];
  const refuse = (name, value) => notices.push(`${LABELS[name]} “${String(value).slice(0, 60)}”`);
  for (const name of SELECTS) {
    const held = options(name, state);
    if (asked[name] != null && !held.includes(asked[name])) refuse(name, asked[name]);
    state[name] = held.includes(asked[name]) ? asked[name] : held[0];
  }
  const { start } = periodsOf(state);
  for (const [name, usualOne] of [["from", start[0]], ["to", start[start.length - 1]]]) {
    if (asked[name] != null && !start.includes(asked[name])) refuse(name, asked[name]);
    state[name] = start.includes(asked[name]) ? asked[name] : usualOne;
  }
  if (state.from > state.to) {
    notices.push("the first period is after the last one");
    [state.from, state.to] = [state.to, state.from];
  }
  if (asked.bounds != null && !["0", "1"].includes(asked.bounds)) refuse("bounds", asked.bounds);
  state.bounds = asked.bounds === "0" ? "0" : "1";
  state.everyone = everybody(state);
  const held = new Set(state.everyone.map(([id]) => id));
  state.all = asked.members != null && asked.members.includes("*");
  if (state.all) state.members = [...held];
  else if (asked.members == null) state.members = usual(state);
  else {
    const named = asked.members.filter((id) => id !== "");
    named.filter((id) => !held.has(id)).forEach((id) => refuse("member", id));
    state.members = [...held].filter((id) => named.includes(id));
    if (named.length && !state.members.length) state.members = usual(state);
  }
  return [state, notices];
}

function parsed(hash) {
  const asked = {};
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const unknown = [...params.keys()].filter((k) => !(k in LABELS));
  for (const k of Object.keys(LABELS)) if (k !== "member" && params.has(k)) asked[k] = params.get(k);
  if (params.has("member")) asked.members = params.getAll("member");
  return [asked, unknown];
}

function address(state) {
  const params = new URLSearchParams();
  for (const k of [...SELECTS, "from", "to", "bounds"]) params.append(k, state[k]);
  const isUsual = String(usual(state).sort()) === String([...state.members].sort());
  if (state.all) params.append("member", "*");
  else if (!isUsual) for (const id of state.members.length ? state.members : [""]) params.append("member", id);
  return `#${params}`;
}

function element(tag, text, given = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [k, v] of Object.entries(given)) made.setAttribute(k, v);
  return made;
}

function fill(name, pairs, value) {
  const select = form.elements[name];
  const is = [...select.options].map((o) => [o.value, o.text]);
  if (String(is) !== String(pairs)) select.replaceChildren(...pairs.map(([id, text]) => element("option", text, { value: id })));
  select.value = value;
  select.disabled = pairs.length < 2;
}

let listed = "";
function fillForm(state) {
  for (const name of SELECTS) fill(name, options(name, state).map((id) => [id, labelOf(name, id)]), state[name]);
  const { start, complete } = periodsOf(state);
  const shown = start.map((day, i) => [day, shortPeriod(state, day) + (complete[i] ? "" : " *")]);
  fill("from", shown, state.from);
  fill("to", [...shown].reverse(), state.to);
  form.elements.bounds.checked = state.bounds === "1";
  // The boxes stay if they are the same, so that the focus does.
  if (String(state.everyone) !== listed) {
    listed = String(state.everyone);
    at("find").value = "";
    at("members").replaceChildren(...state.everyone.map(([id, name]) => {
      const label = element("label", "");
      const box = element("input", "", { type: "checkbox", name: "member", value: id });
      label.append(box, ` ${name}`);
      return label;
    }));
  }
  const chosen = new Set(state.members);
  for (const box of at("members").querySelectorAll("input")) box.checked = chosen.has(box.value);
}

function shortPeriod(state, day) { return state.grain === "monthly" ? day.slice(0, 7) : day; }
const GRAIN = { daily: ["Daily", "day"], weekly: ["Weekly", "week of"], monthly: ["Monthly", "month"] };

function fillTable(state, rows) {
  at("rows").replaceChildren(...rows.slice(0, MOST_ROWS).map((row) => {
    const line = document.createElement("tr");
    const bounds = REST.has(row.id) && row.low === row.high ? "–" : `${(row.low / 1e4).toFixed(2)} to ${percent(row.high)}`;
    line.append(element("th", shortPeriod(state, row.start) + (row.complete ? "" : " *"), { scope: "row" }),
      element("td", row.name, { class: "name" }), element("td", percent(row.share)), element("td", bounds, { class: "bounds" }),
      element("td", row.rank ?? "–", { class: "wide" }), element("td", grouped(row.tokens), { class: "wider" }),
      element("td", grouped(row.total), { class: "wide" }), element("td", row.days, { class: "wide" }));
    return line;
  }));
  at("more").textContent = rows.length > MOST_ROWS
    ? `The table shows the newest ${MOST_ROWS} of ${grouped(rows.length)} rows; the CSV has them all.` : "";
}

function wrapped(text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last && last.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return lines;
}

function credit(state) { const of = data.credits[state.source]; return of[state.what] || of[""]; }

function strokes(state, ids) {
  const named = { origin: 1, license: 1, price_band: 1 }[state.what];
  let free = 0;
  return ids.map((id, i) => {
    const own = named || id === "unidentified" ? data.colors[id] : id === "other_models" ? "#7d858c" : null;
    return [own || FREE[free++ % FREE.length], named ? DASHES[0] : DASHES[i % DASHES.length]];
  });
}

function specification(state, rows, shown, title) {
  const names = shown.map(([, name]) => name), drawn = strokes(state, shown.map(([id]) => id));
  const { start } = periodsOf(state), first = start.indexOf(state.from), last = start.indexOf(state.to);
  const found = new Map(rows.map((r) => [`${r.start}|${r.id}`, r]));
  const values = [];
  // A period in which somebody has no row breaks the line.
  for (const [id, name] of shown)
    for (let p = first; p <= last; p++) {
      const r = found.get(`${start[p]}|${id}`);
      values.push({ day: start[p], name, share: r ? r.share / 1e6 : null, low: r ? r.low / 1e6 : null, high: r ? r.high / 1e6 : null,
        period: r && r.complete ? "complete" : "not complete" });
    }
  const monthly = state.grain === "monthly", few = last - first < 3;
  const x = { field: "day", type: "temporal", timeUnit: monthly ? "utcyearmonth" : "utcyearmonthdate", title: null, scale: { type: "utc" },
    axis: { format: state.grain === "daily" || (last - first < 18 && !monthly) ? "%-d %b %Y" : "%b %Y", labelOverlap: true, labelFlush: 30, grid: false, tickCount: { expr: "width < 420 ? 4 : 8" } } };
  const y = (field) => ({ field, type: "quantitative", title: "Share of all tokens", axis: { format: ".0%" } });
  const long = Math.max(...names.map((name) => name.length)) > 18;
  const legend = { title: null, orient: "bottom", columns: { expr: `width < 420 ? ${long ? 1 : 2} : ${long ? 2 : 4}` }, labelLimit: long ? 280 : 150, symbolType: "stroke",
    symbolSize: 400, symbolStrokeWidth: 2.2, symbolOpacity: 1 };
  const color = { field: "name", type: "nominal", scale: { domain: names, range: drawn.map((d) => d[0]) }, legend };
  const strokeDash = { field: "name", type: "nominal", scale: { domain: names, range: drawn.map((d) => d[1]) }, legend };
  const band = few
    ? { mark: { type: "rule", strokeWidth: 2, opacity: 0.6, aria: false }, encoding: { y: y("low"), y2: { field: "high" } } }
    : { mark: { type: "area", opacity: 0.16, aria: false }, encoding: { y: y("low"), y2: { field: "high" } } };
  const tooltip = [
    { field: "day", type: "temporal", timeUnit: x.timeUnit, title: GRAIN[state.grain][1], format: monthly ? "%Y-%m" : "%Y-%m-%d" },
    { field: "name", type: "nominal", title: labelOf("what", state.what) }, { field: "share", type: "quantitative", title: "Share", format: ".2%" },
    { field: "low", type: "quantitative", title: "Low", format: ".2%" }, { field: "high", type: "quantitative", title: "High", format: ".2%" },
    { field: "period", type: "nominal", title: "Period" }];
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json", description: title, width: "container", height: 340, background: null,
    autosize: { type: "fit-x", contains: "padding" }, data: { values },
    title: { text: wrapped(credit(state), 50), orient: "bottom", anchor: "start", frame: "bounds" },
    encoding: { x, color },
    layer: [
      ...(state.bounds === "1" ? [band] : []),
      { mark: { type: "line", strokeWidth: 2.2, aria: false }, encoding: { y: y("share"), strokeDash } },
      { transform: [{ filter: "datum.share !== null" }], mark: { type: "point", filled: false, strokeWidth: 1.6, aria: false },
        encoding: { y: y("share"), tooltip, size: { value: 34 },
          opacity: { condition: { test: few ? "true" : "datum.period === 'not complete'", value: 1 }, value: 0 } } },
    ],
  };
}

let view = null, turn = 0;
async function draw(state, rows, title) {
  const mine = ++turn, target = at("chart");
  document.body.dataset.ready = "no";
  const chosen = state.everyone.filter(([id]) => state.members.includes(id) && state.here.has(id));
  const shown = chosen.slice(0, MOST_LINES), hidden = chosen.length - shown.length;
  at("chart-note").textContent = (hidden > 0 ? `The chart draws the first ${MOST_LINES}; ${hidden} more are in the table. ` : "")
    + (state.bounds === "1" ? "Band or upright line: the bounds. " : "") + "Hollow point: a period that is not complete. A gap: nothing of it is named.";
  if (view) view.finalize();
  view = null;
  target.replaceChildren();
  if (shown.length) {
    const made = await vegaEmbed(target, specification(state, rows, shown, title), { renderer: "svg", config,
      actions: { export: true, source: false, compiled: false, editor: false }, i18n: { CLICK_TO_VIEW_ACTIONS: "Save this chart" },
      downloadFileName: fileName(state) });
    if (mine !== turn) { made.finalize(); return; }
    view = made;
    target.querySelector("summary").ariaLabel = "Save this chart";
  }
  document.body.dataset.ready = "yes";
}

function fileName(state) {
  const parts = ["tokenshare", state.what, state.grain, state.source, state.lens, labelOf("view", state.view), state.from, state.to, data.vintage];
  return parts.join("_").replace(/[^A-Za-z0-9._-]+/g, "-");
}

function universe(state) {
  return state.source === "openrouter_rankings"
    ? "All tokens that OpenRouter’s rankings state, the row “other” included. One gateway, not the market."
    : `All tokens of the source ${state.source}.`;
}

function facts(state) {
  const named = state.what === "model"
    ? "What the source does not name (its row “other”), and routers, which pass requests on. A model that was never among the first 50 of a day, week or month is in “Other models”."
    : state.what === "price_band" ? "“Unpriced” has no known price per token." : "What nobody can place is the row “Unidentified” (“Unknown license”).";
  return [["Universe", universe(state)], ["Denominator", "All tokens of the source in the period"],
    ["Window", `${shortPeriod(state, state.from)} to ${shortPeriod(state, state.to)}, ${inSentence(labelOf("grain", state.grain))}, UTC`],
    ["Lens", `${labelOf("lens", state.lens)} (${state.lens})`], ["Registry", labelOf("view", state.view)], ["Not identified", named],
    ["Vintage", data.vintage], ["Citation", credit(state)]];
}

// A cell that begins like a formula gets an apostrophe, so that no program runs it.
function cell(value) {
  let text = String(value ?? "");
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csv(state, rows) {
  const columns = ["source", "grain", "lens", "registry", "period_start", "days_present", "is_complete", state.what, "name", "rank", "tokens",
    "total_tokens", "share", "share_low", "share_high", "universe", "vintage_id", "citation"];
  const exact = (millionths) => (millionths / 1e6).toFixed(6);
  const lines = rows.map((r) => [state.source, state.grain, state.lens, labelOf("view", state.view), r.start, r.days, r.complete ? "true" : "false",
    r.id, r.name, r.rank, r.tokens, r.total, exact(r.share), exact(r.low), exact(r.high), universe(state), data.vintage, credit(state)]);
  return [columns, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

let current = null;
function render(asked, unknown = []) {
  const [state, notices] = resolve(asked);
  notices.push(...unknown.map((k) => `“${k.slice(0, 60)}”`));
  at("notice").textContent = notices.length ? `The address asks for what this vintage does not have: ${notices.join("; ")}. The usual choice is shown instead.` : "";
  fillForm(state);
  const { start } = periodsOf(state), chosen = new Set(state.members);
  const rows = [...rowsOf(state, start.indexOf(state.from), start.indexOf(state.to))].filter((row) => chosen.has(row.id));
  const title = `${GRAIN[state.grain][0]} share of all tokens by ${inSentence(labelOf("what", state.what))}, ${labelOf("source", state.source)}, `
    + `${shortPeriod(state, state.from)} to ${shortPeriod(state, state.to)}, lens ${state.lens}, ${labelOf("view", state.view)}`;
  at("chart-title").textContent = `By ${inSentence(labelOf("what", state.what))}, ${labelOf("view", state.view)}`;
  at("caption").textContent = title;
  fillTable(state, rows);
  at("facts").replaceChildren(...facts(state).flatMap(([k, v]) => [element("dt", k), element("dd", v)]));
  const table = state.what === "model" ? "usage_daily" : `share_by_${state.what}_${state.grain}`;
  const more = ["then", "now"].includes(state.view) ? [`restated_by_origin_${state.grain}`] : [];
  at("tables").replaceChildren(...[table, ...more].flatMap((name, i) =>
    [...(i ? [", "] : []), element("a", name, { href: `../tables/${name}.parquet` })]));
  at("said").textContent = state.members.length
    ? `${labelOf("what", state.what)}, ${inSentence(labelOf("grain", state.grain))} from ${shortPeriod(state, state.from)} to ${shortPeriod(state, state.to)}: `
      + `${grouped(rows.length)} rows, ${state.members.length} of ${state.everyone.length} names.` : "Nobody is chosen: choose a name.";
  current = { state, rows };
  draw(state, rows, title);
}

function fromAddress() { render(...parsed(location.hash)); }

// Choosing changes the address, and the address changes the page: so the back button works.
function go(asked) {
  const hash = address(resolve(asked)[0]);
  if (hash === location.hash) fromAddress(); else location.hash = hash;
}

form.addEventListener("change", (event) => {
  const changed = event.target.name, before = current.state, asked = {};
  if (!changed) return;
  for (const name of SELECTS) asked[name] = form.elements[name].value;
  asked.bounds = form.elements.bounds.checked ? "1" : "0";
  const same = asked.source === before.source && asked.grain === before.grain;
  asked.from = form.elements.from.value;
  asked.to = form.elements.to.value;
  if (!same) {
    const start = (periodsOf(resolve({ ...asked, from: null, to: null })[0])).start;
    asked.from = start.find((day) => day >= before.from);
    asked.to = start.findLast((day) => day <= before.to);
    if (asked.from > asked.to) asked.from = asked.to = undefined;
  }
  if (changed === "member") asked.members = boxes();
  else if (asked.what === before.what && asked.source === before.source) asked.members = before.all ? ["*"] : isUsual(before) ? undefined : before.members;
  go(asked);
});
function boxes() { const on = [...at("members").querySelectorAll("input:checked")].map((box) => box.value); return on.length ? on : [""]; }
function isUsual(state) { return !new URLSearchParams(address(state).slice(1)).has("member"); }
form.addEventListener("submit", (event) => event.preventDefault());
at("find").addEventListener("input", () => {
  const wanted = at("find").value.trim().toLowerCase();
  for (const label of at("members").children) label.hidden = !label.textContent.toLowerCase().includes(wanted);
  const left = [...at("members").children].filter((label) => !label.hidden).length;
  at("said").textContent = `${left} of ${at("members").children.length} names match.`;
});
at("usual").addEventListener("click", () => go({ ...current.state, members: undefined }));
at("all").addEventListener("click", () => go({ ...current.state, members: ["*"] }));
at("past").addEventListener("click", () => at("csv").focus());
at("skip").addEventListener("click", (event) => { event.preventDefault(); form.focus(); });
at("csv").addEventListener("click", () => {
  const { state, rows } = current, url = URL.createObjectURL(new Blob([csv(state, rows)], { type: "text/csv;charset=utf-8" }));
  const link = element("a", "", { href: url, download: `${fileName(state)}.csv` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  at("said").textContent = `Saved ${grouped(rows.length)} rows as ${fileName(state)}.csv.`;
});
at("link").addEventListener("click", async () => {
  const hash = address(current.state);
  history.replaceState(null, "", hash);
  try { await navigator.clipboard.writeText(location.href); at("said").textContent = "The link is copied."; }
  catch { at("said").textContent = "The address of this page is the link."; }
});
if (data.sets.length) {
  addEventListener("hashchange", fromAddress);
  fromAddress();
} else {
  at("notice").textContent = "This vintage has no shares.";
  form.hidden = at("csv").hidden = at("link").hidden = true;
  document.body.dataset.ready = "yes";
}
})();
