// The list of questions. Everything that a model wrote reaches the page as text, through textContent alone.
"use strict";
(() => {
  const PAGE = 25;
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const inputs = ["search", "left", "right", "grade", "domain", "split", "differ"].map(byId);
  const [search, left, right, grade, domain, split, differ] = inputs;
  let found = [];
  let shown = 0;

  /** Make an element: its text or its children, and its attributes. */
  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key === "shade") element.style.setProperty("--s", String(value));
      else if (value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const text = (words, kind) => make("div", { class: kind || "text", dir: "auto" }, words);

  function fill(select, values, first) {
    if (first !== undefined) select.append(new Option(first, ""));
    values.forEach(([value, words]) => select.append(new Option(words, value)));
    select.parentElement.hidden = values.length < 2 && first !== undefined && select !== right;
  }

  /** All words of an item, in small letters; made when it is first searched for. */
  function words(item) {
    if (item.words === undefined) {
      const parts = [item.id, item.domain, item.question, item.context, item.label, ...(item.choices || [])];
      Object.values(item.runs).forEach((one) => parts.push(one.text, one.answer));
      item.said.forEach((one) => parts.push(one.rationale, one.teacher, ...(one.history || [])));
      item.own.forEach((one) => parts.push(one.text));
      item.words = parts.filter(Boolean).join("\n").toLowerCase();
    }
    return item.words;
  }

  function differs(item) {
    if (differ.value === "runs") {
      const [a, b] = [item.runs[left.value], item.runs[right.value]];
      return a && b && (a.answer !== b.answer || a.grade !== b.grade);
    }
    return new Set(item.said.map((one) => one.answer).filter((answer) => answer !== null)).size > 1;
  }

  function choose() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = data.items.filter((item) => {
      const answer = item.runs[left.value];
      if (left.value && split.value !== "train" && !answer && !item.said.some((one) => one.in.includes(+left.value))) return false;
      if (grade.value && (!answer || answer.grade !== grade.value)) return false;
      if (domain.value && item.domain !== domain.value) return false;
      if (split.value && item.split !== split.value) return false;
      if (differ.value && !differs(item)) return false;
      return wanted.every((word) => words(item).includes(word));
    });
    byId("count").textContent = `${found.length.toLocaleString("en")} of ${data.items.length.toLocaleString("en")} questions`;
    byId("list").replaceChildren();
    shown = 0;
    more();
  }

  function more() {
    found.slice(shown, shown + PAGE).forEach((item) => byId("list").append(card(item)));
    shown = Math.min(shown + PAGE, found.length);
    const rest = found.length - shown;
    byId("more").hidden = rest === 0;
    byId("more").textContent = `show ${Math.min(PAGE, rest)} more of ${rest.toLocaleString("en")}`;
  }

  function card(item) {
    const head = make("div", null, make("span", null, item.id), make("span", null, item.domain), make("span", null, item.split));
    [left.value, right.value].forEach((run) => {
      const answer = run && item.runs[run];
      if (answer) head.append(make("span", { class: `grade ${answer.grade}` }, `${data.runs[run]}: ${answer.grade}`));
    });
    const first = (item.question || "").split("\n")[0].slice(0, 160);
    const element = make("details", { class: "item" }, make("summary", null, head, first ? make("p", { dir: "auto" }, first) : null));
    // What is inside is made when it is first looked at.
    element.addEventListener("toggle", () => element.childElementCount < 2 && element.append(inside(item)));
    return element;
  }

  function inside(item) {
    const body = make("div");
    if (item.context) body.append(make("details", null, make("summary", null, "context"), text(item.context)));
    body.append(item.question ? text(item.question) : text("The question is not on this page.", "small"));
    if (item.choices && item.choices.length) {
      const list = make("ul");
      item.choices.forEach((choice) => list.append(make("li", choice === item.label ? { class: "label" } : null, choice)));
      body.append(list);
    }
    if (item.label !== null && item.label !== undefined) {
      body.append(text(`label: ${item.label}${item.label_source && item.label_source !== "gold" ? ` (by ${item.label_source})` : ""}`, "small"));
    }
    const pair = make("div", { class: right.value ? "pair" : "" });
    [[left.value, "left"], [right.value, "right"]].forEach(([run, side]) => run && pair.append(answered(item, run, side)));
    if (item.split !== "train") body.append(pair);
    const mine = item.own.filter((one) => [left.value, right.value].includes(String(one.run)));
    (mine.length ? mine : item.own).forEach((one) => body.append(own(one)));
    item.said.forEach((one) => body.append(said(one)));
    return body;
  }

  function answered(item, run, side) {
    const one = item.runs[run];
    const head = make("h4", null, data.runs[run]);
    if (!one) return make("div", { class: `said ${side}` }, head, text("no answer to this question", "small"));
    const read = one.answer === null ? "read: nothing" : `read: ${one.answer}`;
    const rule = one.rule ? `; rule: ${one.rule}` : "";
    const sure = one.confidence === null ? "" : `; it was ${Math.round(100 * one.confidence)} % sure`;
    return make("div", { class: `said ${side}` }, head, make("span", { class: `grade ${one.grade}` }, one.grade),
      text(one.text || "(it scored the options and wrote nothing)"), text(read + rule + sure, "small"));
  }

  function own(one) {
    const head = make("h4", null, `${data.runs[one.run]}, its own words before round ${one.round}`);
    const body = make("div", { class: "text", dir: "auto" });
    let at = 0;
    one.steps.forEach(([step, share]) => {
      const begin = one.text.indexOf(step, at);
      if (begin < 0) return;
      body.append(one.text.slice(at, begin), make("span", { class: "step", shade: share, title: `uncertainty ${share}` }, step));
      at = begin + step.length;
    });
    body.append(one.text.slice(at));
    const how = one.steps.length ? text(`The darker a step, the less sure: ${one.how}.`, "small") : null;
    return make("div", { class: "said" }, head, body, how);
  }

  function said(one) {
    const runs = one.in.map((run) => data.runs[run]).join(", ");
    const head = make("h4", null, `${one.teacher || "the student itself"}, ${one.kind}${one.is_used === false ? ", not used" : ""}`);
    const body = make("div", { class: "text", dir: "auto" });
    const marks = { "-": "del", "+": "ins", "=": "span" };
    if (one.diff && one.diff.length) one.diff.forEach(([mark, part]) => body.append(make(marks[mark], null, part), " "));
    else body.append(one.rationale || "(no text)");
    const unread = one.is_forced ? "none stated (it was shown the label)" : "unreadable";
    const told = [`answer: ${one.answer === null ? unread : one.answer}`, `in ${runs}`];
    if (one.faults && one.faults.length) told.push(`faults: ${one.faults.join(", ")}`);
    if (one.history && one.history.length) told.push(one.history.join("; "));
    return make("div", { class: "said" }, head, body, text(told.join(" · "), "small"));
  }

  const runs = data.runs.map((name, i) => [i, name]);
  const all = (key) => [...new Set(data.items.map((item) => item[key]).filter(Boolean))].sort().map((one) => [one, one]);
  fill(left, runs);
  fill(right, runs, "none");
  fill(domain, all("domain"), "all");
  fill(split, all("split"), "all");
  [left.value, right.value] = [String(data.first[0] ?? 0), String(data.first[1] ?? "")];
  if (all("split").some(([name]) => name === "test")) split.value = "test";
  let waiting;
  inputs.forEach((input) => input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(choose, input === search ? 150 : 0);
  }));
  byId("more").addEventListener("click", more);
  choose();

  // What a mark of a chart says, where it is pointed at or touched.
  const tip = byId("tip");
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest && event.target.closest("svg path[aria-label], svg line[aria-label]");
    tip.hidden = !mark;
    if (mark) {
      tip.textContent = mark.getAttribute("aria-label");
      tip.style.left = `${Math.min(event.clientX + 12, Math.max(8, innerWidth - tip.offsetWidth - 8))}px`;
      tip.style.top = `${event.clientY + 16}px`;
    }
  });
  // On paper everything is open.
  addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach((one) => {
    one.open = true;
    one.dataset.closed = "";
    // The browser tells of it later, when the paper is laid out already.
    one.dispatchEvent(new Event("toggle"));
  }));
  addEventListener("afterprint", () => document.querySelectorAll("details[data-closed]").forEach((one) => {
    one.open = false;
    delete one.dataset.closed;
  }));
})();
