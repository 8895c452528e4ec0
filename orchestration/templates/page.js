// What the pages do: draw charts, copy and save, compare two weeks, open what is linked or printed.
const actions = false, mode = "vega-lite";
// One after the other, with a pause for the reader: the page is there before its last chart.
async function draw() {
  for (const element of document.querySelectorAll(".chart")) {
    await new Promise((go) => setTimeout(go));
    await vegaEmbed(element, specs[element.id], { renderer: "svg", config, actions, mode });
  }
  document.body.dataset.ready = "yes";
}
draw();

const live = document.getElementById("live");
function say(text) {
  live.textContent = "";
  setTimeout(() => { live.textContent = text; });
}
async function copy(text) {
  try { await navigator.clipboard.writeText(text); }
  catch {
    const field = document.createElement("textarea"), had = document.activeElement;
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    had?.focus();
  }
}
function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}
// The address that names the vintage, also if this page was opened as the latest one.
function permalink() {
  const stated = document.querySelector("link[rel=canonical]").getAttribute("href");
  if (/^https?:/.test(stated)) return stated;
  return location.href.split(/[?#]/)[0]
    .replace("/latest/report/", `/vintages/${document.body.dataset.vintage}/report/`);
}
// A spreadsheet would run a text that begins so as a formula. A number may.
function cell(element) {
  const text = element.innerText.replace(/\s+/g, " ").trim();
  return /^[=+\-@]/.test(text) && !/^[+\-]?[\d.,]+( %)?( \(.*\))?$/.test(text) ? "'" + text : text;
}
function tableText(part) {
  const tables = [...part.querySelectorAll("table")].filter((t) => !t.parentElement.closest("table"));
  const closed = [...part.querySelectorAll("details:not([open])")];
  closed.forEach((d) => { d.open = true; });  // what is not drawn has no text
  const rows = tables.flatMap((t, i) => [...t.rows].slice(i ? 1 : 0));
  const lines = rows.map((row) => [...row.cells].map(cell).join("\t"));
  closed.forEach((d) => { d.open = false; });
  const caption = tables[0].caption.innerText.trim();
  return [caption, ...lines, document.body.dataset.credit, permalink()].join("\n");
}
async function png(spec, name) {
  const whole = { ...spec, ...spec.usermeta.picture };
  const made = await vegaEmbed(document.createElement("div"), whole, { config, actions, mode });
  save(await made.view.toImageURL("png", 2), `${name}.png`);
  made.finalize();
}
function embed(figure, meta) {
  const link = document.createElement("a"), picture = document.createElement("img");
  link.href = `${permalink()}#${figure.id}`;
  picture.src = new URL(`figures/${meta.stem}.svg`, permalink()).href;
  picture.alt = `${meta.title}. ${meta.credit}`;
  picture.setAttribute("style", "max-width:100%;height:auto");
  link.append(picture);
  return link.outerHTML;
}
const does = {
  async table(button) { await copy(tableText(button.closest(".numbers"))); return "Table copied"; },
  async text(button) {
    await copy(document.getElementById(button.dataset.of).textContent);
    return "Copied";
  },
  async link(button) {
    const id = button.closest("figure")?.id;
    await copy(permalink() + (id ? `#${id}` : location.hash));
    return "Link copied";
  },
  async embed(button) {
    const figure = button.closest("figure");
    await copy(embed(figure, specs[figure.querySelector(".chart").id].usermeta));
    return "HTML to embed copied";
  },
  async png(button) {
    const spec = specs[button.closest("figure").querySelector(".chart").id];
    await png(spec, spec.usermeta.file);
    return "Picture saved";
  },
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-do]");
  if (!button) return;
  const said = await does[button.dataset.do](button), before = button.textContent;
  say(said);
  button.textContent = said;
  setTimeout(() => { button.textContent = before; }, 2000);
});

// A page never changes, so only the reader's clock knows how old it is.
const stale = document.getElementById("stale");
if (stale) {
  const day = 86400000, newest = Date.parse(`${stale.dataset.newest}T00:00:00Z`);
  const today = Math.floor(Date.now() / day) * day, age = Math.round((today - newest) / day);
  const said = (time) => new Date(time).toLocaleDateString("en-GB", {
    day: "numeric", month: "long", timeZone: "UTC",
    ...(new Date(newest).getUTCFullYear() === new Date(today).getUTCFullYear() ? {} : { year: "numeric" }),
  });
  if (age > 3) {
    stale.textContent = `Data to ${said(newest)}, read on ${said(today)}: ${age} days later. ` +
      "Look for a newer vintage before you quote this as the present.";
    stale.hidden = false;
  }
}

// Two weeks beside each other: the arithmetic of the query `compare`.
const chooser = document.getElementById("compare-chooser");
if (chooser) {
  const data = JSON.parse(document.getElementById("compare-data").textContent);
  const [earlier, later] = chooser.querySelectorAll("input");
  const parts = { origin: document.getElementById("compare-origins"), lab: document.getElementById("compare-labs") };
  const percent = (x) => `${(100 * x).toFixed(1)} %`;
  const points = (x) => {
    const text = (100 * x).toFixed(1);
    return Number(text) ? (x > 0 ? "+" : "") + text.replace("-", "−") : "0.0";
  };
  const grouped = (x, digits) => x.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const amount = (x) => x >= 1e12 ? `${grouped(x / 1e12, 2)} trillion` : `${grouped(x / 1e9, 1)} billion`;
  const monday = (text) => {
    const date = new Date(`${text}T00:00:00Z`);
    if (Number.isNaN(date.getTime())) return "";
    date.setUTCDate(date.getUTCDate() - (date.getUTCDay() + 6) % 7);
    return date.toISOString().slice(0, 10);
  };
  const pair = (element, point, low, high) => {
    for (const [text, css] of [[point, "whole"], [`(${low} to ${high})`, "soft whole"]]) {
      const span = document.createElement("span");
      span.className = css;
      span.textContent = text;
      element.append(element.childNodes.length ? " " : "", span);
    }
  };
  const sides = (week) => new Map(data.weeks[week].rows.map(([at, tokens, ...s]) => [at, { tokens, s: s.map((x) => x / data.parts) }]));
  function compared(of, a, b) {
    const one = sides(a), two = sides(b);
    const unknown = data.names.findIndex(([kind, id]) => kind === "origin" && id === "unidentified");
    const none = (side) => ({ tokens: 0, s: [0, 0, side.get(unknown)?.s[0] ?? 0] });
    return data.names
      .map(([kind, id, name, origin], at) => ({ kind, id, name, origin, isUnknown: at === unknown, one: one.get(at), two: two.get(at) }))
      .filter((r) => r.kind === of && (r.one || r.two))
      .map((r) => ({ ...r, one: r.one ?? none(one), two: r.two ?? none(two) }))
      .sort((x, y) => x.isUnknown - y.isUnknown || y.two.s[0] - x.two.s[0] || y.one.s[0] - x.one.s[0] || (x.id < y.id ? -1 : 1));
  }
  function tableRow(r, headings) {
    const row = document.createElement("tr"), cells = [];
    const add = (fill, css) => {
      const element = document.createElement(cells.length ? "td" : "th");
      if (!cells.length) element.scope = "row"; else element.dataset.label = headings[cells.length];
      if (css) element.className = css;
      if (typeof fill === "string") element.textContent = fill; else fill(element);
      cells.push(element);
    };
    add(r.name);
    if (r.kind === "lab") add(r.origin, "text");
    for (const { s } of [r.one, r.two])
      add(r.isUnknown ? percent(s[0]) : (e) => pair(e, percent(s[0]), (100 * s[1]).toFixed(1), percent(s[2])));
    const [now, before] = [r.two.s, r.one.s];
    add(r.isUnknown ? points(now[0] - before[0]) : (e) => pair(e, points(now[0] - before[0]), points(now[1] - before[2]), points(now[2] - before[1])));
    add(amount(r.one.tokens));
    add(amount(r.two.tokens));
    row.append(...cells);
    return row;
  }
  function show(a, b) {
    const star = (week) => week + (data.weeks[week].complete ? "" : " (incomplete)");
    for (const [of, part] of Object.entries(parts)) {
      if (!part) continue;
      const [first, rest] = part.querySelectorAll("table");
      const headings = [...first.tHead.rows[0].cells].map((c) => c.textContent);
      const rows = compared(of, a, b).map((r) => tableRow(r, headings));
      const shown = rest ? Number(chooser.dataset.shown) : rows.length;
      first.tBodies[0].replaceChildren(...rows.slice(0, shown));
      if (rest) {
        rest.tBodies[0].replaceChildren(...rows.slice(shown));
        part.querySelector("summary").textContent = `${Math.max(rows.length - shown, 0)} more rows`;
      }
      for (const caption of part.querySelectorAll("caption span"))
        caption.textContent = caption.textContent.replace(/Week of .* beside week of [^,]*,/, `Week of ${star(a)} beside week of ${star(b)},`);
      for (const region of part.querySelectorAll("[role=region]"))
        region.setAttribute("aria-label", region.querySelector("caption").textContent);
    }
  }
  function pick(a, b, isUsers) {
    [a, b] = [a, b].map(monday);
    const missing = [a, b].find((week) => !data.weeks[week]);
    const problem = document.getElementById("compare-problem");
    problem.textContent = missing === undefined ? "" : "There is no data for that week: pick another date.";
    if (missing !== undefined || a === b) {
      if (missing === undefined) problem.textContent = "Both dates are in the same week: pick another date.";
      return;
    }
    if (a > b) [a, b] = [b, a];
    [earlier.value, later.value] = [a, b];
    show(a, b);
    if (isUsers) {
      history.replaceState(null, "", `#compare=${a},${b}`);
      say(`Compared: week of ${a} beside week of ${b}`);
    }
  }
  const fromAddress = () => {
    const asked = /^#compare=(\d{4}-\d\d-\d\d),(\d{4}-\d\d-\d\d)$/.exec(location.hash);
    if (!asked) return;
    pick(asked[1], asked[2], false);
    document.getElementById("compare").scrollIntoView();
  };
  for (const input of [earlier, later])
    input.addEventListener("change", () => pick(earlier.value, later.value, true));
  addEventListener("hashchange", fromAddress);
  chooser.hidden = false;
  fromAddress();
}

// A link to something inside a closed part opens it.
function reveal() {
  let id = location.hash.slice(1);
  try { id = decodeURIComponent(id); } catch { /* as it is */ }
  const target = id && document.getElementById(id);
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();
// Paper shows all claims.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details.printed:not([open]), td details:not([open])")];
  opened.forEach((d) => { d.open = true; });
});
addEventListener("afterprint", () => opened.forEach((d) => { d.open = false; }));
