// SPDX-License-Identifier: LGPL-2.1-or-later
// Sorts and filters the table of recordings, and shows hours, pictures and single recordings when they are asked for. What
// is chosen stands behind the address's #, so that it can be kept as a link. Texts are set as texts; the only HTML is what
// the page came with.
"use strict";
(() => {
  const AT_ONCE = 200; // rows
  const PICTURES = 8; // among the strongest moments
  const DAYS = 400;
  const LEVELS = 5; // of colour
  const index = JSON.parse(document.getElementById("index").textContent);
  const body = document.querySelector(".list tbody");
  const form = document.querySelector(".filters");
  const table = document.querySelector(".calendar table");
  const heads = [...document.querySelectorAll("th[data-sort]")];
  const more = document.querySelector("[name=more]");
  const order = new Intl.Collator("en", { numeric: true });

  const rows = [...body.querySelectorAll("tr[data-row]")].map((element, i) => ({
    ...index.rows[i], i, element, detail: null, name: element.querySelector("bdi").textContent,
  }));
  const state = { class: "", index: -1, name: "", sort: "name", reverse: false, time: "", shown: AT_ONCE };

  function make(name, properties, ...children) {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  }

  function detailsOf(row) {
    return make("template", { innerHTML: document.getElementById(`d${row.i}`).textContent }).content;
  }

  // Words

  function amount(seconds) {
    if (seconds < 60) return `${seconds > 0 && seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
    return seconds < 3600 ? `${(seconds / 60).toFixed(1)} min` : `${Number((seconds / 3600).toFixed(1)).toLocaleString("en", { minimumFractionDigits: 1 })} h`;
  }

  const share = (part) => (part > 0 && part < 0.005 ? "<1 %" : `${Math.round(100 * part)} %`);
  const count = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
  const dayOf = (hour) => new Date(Math.floor(hour / 24) * 864e5).toISOString().slice(0, 10);
  const timeOf = (hour) => `${dayOf(hour)}T${String(hour % 24).padStart(2, "0")}`;
  const chosen = () => state.index;
  const whatText = () => (chosen() < 0 ? "anything" : labelOf(index.classes[chosen()]));
  const labelOf = (kind) => (kind.words ? `${kind.name} (${kind.words})` : kind.name);

  // What is known of the chosen class in a recording: [seconds, number, best score, [[hour, seconds]...]], or nothing.
  function figures(row) {
    return chosen() < 0 ? row.any : row.classes[chosen()];
  }

  // Choosing

  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    const kind = ["key", "name"].map((by) => index.classes.find((each) => each[by] === given.get("class"))).find(Boolean);
    state.class = kind?.key ?? "";
    state.name = given.get("name") ?? "";
    state.sort = heads.some((head) => head.dataset.sort === given.get("sort")) ? given.get("sort") : "name";
    state.reverse = given.get("reverse") === "1";
    state.time = given.get("time") ?? "";
    state.shown = AT_ONCE;
    const open = rows.find((row) => row.name === given.get("open"));
    if (open) show(open, true);
  }

  function writeAddress() {
    const words = new URLSearchParams();
    for (const key of ["class", "name", "time"]) if (state[key]) words.set(key, state[key]);
    if (state.sort !== "name") words.set("sort", state.sort);
    if (state.reverse) words.set("reverse", "1");
    history.replaceState(null, "", `#${words}`);
  }

  function change(values) {
    Object.assign(state, { shown: AT_ONCE }, values);
    writeAddress();
    update();
  }

  function named(row) {
    const part = state.name.trim().toLowerCase();
    return figures(row) && row.name.toLowerCase().includes(part);
  }

  function inTime(row) {
    return !state.time || figures(row)[3].some(([hour]) => timeOf(hour).startsWith(state.time));
  }

  const values = {
    name: (row) => row.name,
    began: (row) => row.began ?? 0,
    length: (row) => row.length,
    seen: (row) => figures(row)[0],
    most: (row) => figures(row)[1],
    best: (row) => figures(row)[2],
  };

  function sorted(list) {
    const value = values[state.sort];
    const compare = state.sort === "name" ? (a, b) => order.compare(a.name, b.name) : (a, b) => value(a) - value(b) || order.compare(a.name, b.name);
    list.sort(compare);
    return state.reverse ? list.reverse() : list;
  }

  // The table

  const columnsNow = () => (chosen() < 0 ? 5 : 7); // without a class, there is neither number nor score

  function show(row, open) {
    row.element.querySelector("button").setAttribute("aria-expanded", String(open));
    if (!open) {
      row.detail?.remove();
      row.detail = null;
    } else if (!row.detail) {
      const cell = make("td", { colSpan: columnsNow(), className: "wide-cell" }, detailsOf(row));
      cell.setAttribute("role", "cell");
      row.detail = make("tr", { id: `open${row.i}` }, cell);
      row.detail.setAttribute("role", "row");
      row.element.after(row.detail);
    }
  }

  function openFrom(row) {
    if (!row.element.isConnected) change({ name: row.name, time: "" });
    show(row, true);
    row.element.querySelector("button").focus();
    row.element.scrollIntoView({ block: "start" });
  }

  function fill(row) {
    const [seconds, most, best] = figures(row);
    const [, , , , seen, number, score] = row.element.cells;
    const kind = index.classes[chosen()];
    seen.textContent = seconds ? amount(seconds) : "";
    number.textContent = !kind || !most ? "" : ["any", "detect"].includes(kind.task) ? most : share(most);
    score.textContent = !kind || !best || kind.task === "segment" ? "" : share(best);
    for (const path of row.element.querySelectorAll(".strip path")) {
      path.classList.toggle("other", Boolean(kind) && Number(path.dataset.group) !== kind.group);
    }
  }

  function showRows(list) {
    const shown = list.slice(0, state.shown);
    shown.forEach(fill);
    const columns = columnsNow();
    for (const row of shown) if (row.detail) row.detail.cells[0].colSpan = columns;
    body.replaceChildren(...shown.flatMap((row) => (row.detail ? [row.element, row.detail] : [row.element])));
    if (!shown.length) body.append(make("tr", {}, make("td", { colSpan: columns, textContent: "No recording is like this." })));
    more.parentElement.hidden = shown.length === list.length;
    more.textContent = `Show ${Math.min(AT_ONCE, list.length - shown.length)} more of ${list.length - shown.length}`;
    document.querySelector(".list").classList.toggle("any", chosen() < 0);
    for (const head of heads) {
      if (head.dataset.sort === state.sort) head.setAttribute("aria-sort", state.reverse ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  // Hours of days

  let calendarOf = null;

  function sum(list) {
    const seen = new Map(), covered = new Set();
    for (const row of list) {
      for (const hour of row.hours ?? []) covered.add(hour);
      for (const [hour, seconds] of figures(row)?.[3] ?? []) {
        const cell = seen.get(hour) ?? { seconds: 0, recordings: 0 };
        cell.seconds += seconds;
        cell.recordings += 1;
        seen.set(hour, cell);
      }
    }
    return { seen, covered };
  }

  function showCalendar(list) {
    const wanted = JSON.stringify([state.class, state.name]);
    if (calendarOf !== wanted) {
      calendarOf = wanted;
      drawCalendar(sum(list));
    }
    for (const button of table.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === state.time));
  }

  function drawCalendar({ seen, covered }) {
    const days = [...new Set([...covered].map((hour) => Math.floor(hour / 24)))].sort((a, b) => a - b);
    const shown = days.slice(-DAYS);
    const weight = [...seen.values()].some((cell) => cell.seconds) ? (cell) => cell.seconds : (cell) => cell.recordings;
    const top = Math.max(...[...seen.values()].map(weight), 0);
    const head = make("tr", {}, make("th", { scope: "col", textContent: "Day" }));
    for (let hour = 0; hour < 24; hour++) head.append(make("th", { scope: "col" }, make("span", { textContent: hour })));
    const lines = shown.map((day) => dayLine(day, seen, covered, (cell) => Math.max(1, Math.ceil(LEVELS * Math.sqrt(weight(cell) / top)))));
    table.classList.toggle("years", new Set(shown.map((day) => dayOf(day * 24).slice(0, 4))).size > 1);
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...lines));
    const first = table.querySelector("td button");
    if (first) first.tabIndex = 0;
    document.getElementById("when").hidden = !days.length;
    showLegend(top, weight({ seconds: 1, recordings: 0 }) === 1, days.length - shown.length);
  }

  function dayLine(day, seen, covered, level) {
    const date = dayOf(day * 24);
    const name = make("button", { type: "button", value: date, tabIndex: -1, title: `Recordings of ${date}` }, make("span", { className: "year", textContent: date.slice(0, 5) }), date.slice(5));
    const line = make("tr", {}, make("th", { scope: "row" }, name));
    for (let hour = day * 24; hour < day * 24 + 24; hour++) {
      const cell = seen.get(hour);
      const box = make("td", { className: covered.has(hour) ? "covered" : "" });
      if (cell) {
        const text = `${dayOf(hour)} ${hour % 24}:00: ${whatText()} for ${amount(cell.seconds)} in ${count(cell.recordings, "recording")}`;
        const button = make("button", { type: "button", value: timeOf(hour), tabIndex: -1, title: text, className: `h${level(cell)}` }, make("span", { textContent: short(cell.seconds) }));
        button.setAttribute("aria-label", text);
        box.append(button);
      }
      line.append(box);
    }
    return line;
  }

  const short = (seconds) => (seconds < 1 ? "" : seconds < 60 ? `${Math.round(seconds)}s` : seconds < 36000 ? `${Math.round(seconds / 60)}m` : `${Math.round(seconds / 3600)}h`);

  function showLegend(top, isTime, hidden) {
    const key = (name) => make("span", { className: `key ${name}` });
    const most = top ? (isTime ? amount(top) : count(top, "recording")) : "";
    const legend = document.querySelector(".legend");
    legend.replaceChildren(
      make("strong", { textContent: whatText() }), ` in each hour. Choose an hour or a day to see its recordings.`,
      key("covered"), "recorded, not seen", ...(top ? [key("h1"), "seen", key("h5"), `seen most: ${most}`] : []),
      hidden ? ` The last ${DAYS} of ${DAYS + hidden} days are shown.` : "",
    );
  }

  // Arrow keys go to the next hour with something in it.
  function moveInCalendar(event) {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = steps[event.key];
    if (!step || event.target.tagName !== "BUTTON") return;
    event.preventDefault();
    const lines = [...table.tBodies[0].rows];
    let y = lines.indexOf(event.target.closest("tr")), x = event.target.parentElement.cellIndex;
    for (;;) {
      y += step[0];
      x += step[1];
      const cell = lines[y]?.cells[x];
      if (!cell) return;
      const button = cell.querySelector("button");
      if (button) {
        event.target.tabIndex = -1;
        button.tabIndex = 0;
        button.focus();
        return;
      }
    }
  }

  // Pictures

  function strongest(list) {
    const wanted = index.classes[chosen()], found = [];
    const isWanted = (kind) => !wanted || (kind.name === wanted.name && ["any", kind.task].includes(wanted.task));
    for (const row of list) {
      const best = row.moments
        .flatMap((classes, i) => classes.map(([kind, score]) => ({ row, i, kind, score })))
        .filter((moment) => isWanted(index.classes[moment.kind]))
        .sort((a, b) => b.score - a.score)[0];
      if (best) found.push(best);
    }
    return found.sort((a, b) => b.score - a.score).slice(0, PICTURES);
  }

  function showPictures(list) {
    const figuresOf = strongest(list).map(({ row, i, kind, score }) => {
      const figure = detailsOf(row).querySelector(`[data-moment="${i}"]`);
      const chip = figure.querySelector(".chip");
      chip.className = `chip k${index.classes[kind].colour}`;
      chip.querySelector("bdi").textContent = index.classes[kind].name;
      chip.querySelector("b").textContent = share(score);
      const button = make("button", { type: "button", textContent: row.name });
      button.addEventListener("click", () => openFrom(row));
      figure.querySelector("figcaption").append(button);
      return figure;
    });
    document.querySelector("#moments .pictures").replaceChildren(...figuresOf);
    document.getElementById("moments").hidden = !figuresOf.length;
  }

  function update() {
    state.index = index.classes.findIndex((each) => each.key === state.class);
    const list = rows.filter(named);
    const matching = sorted(list.filter(inTime));
    const { elements } = form;
    elements.class.value = state.class;
    if (elements.name.value !== state.name) elements.name.value = state.name;
    elements.sort.value = state.sort;
    elements.reverse.setAttribute("aria-pressed", String(state.reverse));
    elements.clear.hidden = !state.time;
    elements.clear.textContent = `All times, not only ${state.time.replace("T", " ")}${state.time.includes("T") ? ":00" : ""}`;
    const seconds = matching.reduce((total, row) => total + figures(row)[0], 0);
    form.querySelector("output").textContent = `${matching.length.toLocaleString("en")} of ${count(rows.length, "recording")}: ${whatText()} seen for ${amount(seconds)}`;
    showRows(matching);
    showCalendar(rows.filter((row) => row.name.toLowerCase().includes(state.name.trim().toLowerCase())));
    showPictures(matching);
  }

  function start() {
    for (const row of rows) {
      const cell = row.element.cells[0];
      const button = make("button", { type: "button" }, ...cell.childNodes);
      button.setAttribute("aria-expanded", "false");
      button.addEventListener("click", () => show(row, !row.detail));
      cell.append(button);
    }
    for (const head of heads) {
      const button = make("button", { type: "button", textContent: head.textContent });
      // What is more is more interesting: numbers begin with the greatest.
      button.addEventListener("click", () => {
        const same = state.sort === head.dataset.sort;
        change({ sort: head.dataset.sort, reverse: same ? !state.reverse : !["name", "began"].includes(head.dataset.sort) });
      });
      head.replaceChildren(button);
    }
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.elements.class.addEventListener("change", (event) => change({ class: event.target.value }));
    form.elements.sort.addEventListener("change", (event) => change({ sort: event.target.value, reverse: !["name", "began"].includes(event.target.value) }));
    form.elements.reverse.addEventListener("click", () => change({ reverse: !state.reverse }));
    form.elements.clear.addEventListener("click", () => change({ time: "" }));
    let waiting = 0;
    form.elements.name.addEventListener("input", (event) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => change({ name: event.target.value }), 150);
    });
    more.addEventListener("click", () => {
      state.shown += AT_ONCE;
      update();
    });
    table.addEventListener("keydown", moveInCalendar);
    table.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) change({ time: button.value === state.time ? "" : button.value });
    });
    addEventListener("hashchange", () => {
      if (!location.hash.includes("=")) return;
      readAddress();
      update();
      form.scrollIntoView();
    });
    readAddress();
    update();
    document.documentElement.dataset.ready = "";
  }

  if (rows.length) start();
})();
