// The operator's page: the figures of /status.json, read again every few seconds. Every value is set as text.

const SECONDS = 5;
const WORDS = { ok: "It is well.", watch: "Something is worth a look.", bad: "It needs a person.", unknown: "A part cannot be read." };
const MARKS = { ok: "●", watch: "▲", bad: "■", unknown: "?" };

function create(name, text = "", className = "") {
  return Object.assign(document.createElement(name), { textContent: text, className });
}

// A link if there is a page behind the figure; the mark says in shape what the colour says.
function figure({ value, state, url }) {
  const shown = create("span", "", state);
  if (state !== "ok") shown.append(Object.assign(create("span", `${MARKS[state]} `, "mark"), { title: state }));
  const text = url && value ? Object.assign(create("a", value), { href: url }) : document.createTextNode(value);
  shown.append(text);
  return shown;
}

function table({ columns, rows }) {
  const found = create("table");
  const head = found.createTHead().insertRow();
  for (const column of columns) head.append(Object.assign(create("th", column), { scope: "col" }));
  const body = found.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const each of row) line.insertCell().append(figure(each));
  }
  return found;
}

function section({ name, state, figures, table: history, problem }) {
  const shown = create("section");
  shown.id = name;
  shown.dataset.state = state;
  const title = create("h2", name);
  title.prepend(Object.assign(create("span", `${MARKS[state]} `, `mark ${state}`), { title: state }));
  shown.append(title);
  if (problem) shown.append(create("p", `This part cannot be read: ${problem}`, "unknown"));
  const list = create("dl");
  for (const each of figures) {
    const value = create("dd");
    value.append(figure(each));
    list.append(create("dt", each.label), value);
  }
  shown.append(list);
  if (history) shown.append(table(history));
  return shown;
}

async function refresh() {
  const summary = document.getElementById("summary");
  try {
    const response = await fetch("status.json", { signal: AbortSignal.timeout(60_000) });
    const status = await response.json();
    summary.textContent = `${MARKS[status.state]} ${WORDS[status.state]}`;
    summary.className = status.state;
    document.getElementById("at").textContent = `${status.synthetic ? "Synthetic trips. " : ""}As of ${status.at}.`;
    document.getElementById("sections").replaceChildren(...status.sections.map(section));
  } catch {
    summary.textContent = `${MARKS.bad} The report server does not answer. The figures below are old.`;
    summary.className = "bad";
  }
  setTimeout(refresh, SECONDS * 1000);
}

refresh();
