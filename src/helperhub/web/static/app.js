"use strict";
// Times in the viewer's zone, charts, keys, theme; everything else is the server's and htmx's.
(() => {
  const root = document.documentElement;

  // -- theme
  const chosen = localStorage.getItem("hh-theme");
  if (chosen) root.dataset.theme = chosen;
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const switchTheme = () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem("hh-theme", root.dataset.theme);
    drawAll(document, true);
  };

  // -- times
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const inWords = (seconds) => {
    const [unit, size] = units.find(([, size]) => seconds >= size) || ["s", 1];
    return `${Math.floor(seconds / size)} ${unit}`;
  };
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
  const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const tellTime = (element) => {
    const at = new Date(element.dateTime), how = element.dataset.how, left = (at - Date.now()) / 1000;
    element.title = `${full.format(at)} (${at.toISOString()})`;
    if (how === "clock") element.textContent = clock.format(at);
    else if (how === "minute") element.textContent = minute.format(at);
    else if (how === "full") element.textContent = full.format(at);
    else if (how === "until" && left > 0) element.textContent = `in ${inWords(left)}`;
    else element.textContent = left > 0 ? `in ${inWords(left)}` : `${inWords(-left)} ago`;
  };
  const tellAll = (within) => within.querySelectorAll("time[data-how]").forEach(tellTime);

  // -- charts
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const draw = (element) => {
    const { start, lines } = JSON.parse(element.dataset.chart);
    const starts = start.map((text) => Date.parse(text) / 1000);
    // One or two values make no line that could be seen.
    const isThin = (values) => values.filter((one) => one !== null).length < 3;
    const line = (label, name, values) => ({ label, stroke: color(name), fill: color(`${name}-ground`), width: 1.5, points: { show: isThin(values) } });
    // The browser's own way to write a time; uPlot's would be the American one for everybody.
    const tell = (split, step) => (step >= 86400 || new Date(split * 1000).getHours() === 0 ? day : minute).format(split * 1000);
    const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } };
    element.replaceChildren();
    new uPlot({
      width: element.clientWidth, height: 220, cursor: { y: false },
      series: [{ label: "From", value: (_, at) => at === null ? "--" : full.format(at * 1000) }, ...lines.map((one) => line(...one))],
      scales: { y: { range: (_, least, most) => [0, (most || 1) * 1.1] } },
      axes: [{ ...axis, values: (_, splits, __, ___, step) => splits.map((one) => tell(one, step)) }, axis],
    }, [starts, ...lines.map(([, , values]) => values)], element);
  };
  const drawAll = (within, again) => within.querySelectorAll(".chart[data-chart]").forEach((one) => {
    if (again || !one.firstChild) draw(one);
  });

  // -- keys
  let after = "";
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
    if (after === "g") {
      const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
      after = "";
      if (link) link.click();
    } else if (event.key === "g") {
      after = "g";
      setTimeout(() => { after = ""; }, 1500);
    } else if (event.key === "?") {
      const keys = document.getElementById("keys");
      if (keys) keys.showModal();
    } else if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); }
    }
  };

  // -- notices: what a change led to, and the way back
  let hiding = 0;
  const notice = ({ value, text, undo, there }) => {
    // The browser is led to another page: it says it there.
    if (there) return sessionStorage.setItem("hh-notice", JSON.stringify({ text, undo }));
    const shown = document.getElementById("notice");
    clearTimeout(hiding);
    shown.replaceChildren(document.createTextNode(value || text || ""));
    if (undo) {
      const back = document.createElement("button");
      back.type = "button";
      back.textContent = "Undo";
      back.addEventListener("click", () => { shown.replaceChildren(); htmx.ajax("POST", undo, { swap: "none" }); });
      shown.append(" ", back);
    }
    hiding = setTimeout(() => shown.replaceChildren(), undo ? 15000 : 8000);
  };
  const tell = (text) => notice({ text });
  // A live part may be asked for anew while a button of it is at work: what its answer tells would then be told to nobody.
  document.addEventListener("htmx:beforeSend", ({ detail: { elt, xhr } }) => xhr.addEventListener("loadend", () => {
    const told = elt.isConnected ? null : xhr.getResponseHeader("HX-Trigger");
    if (told) Object.entries(JSON.parse(told)).forEach(([name, detail]) => htmx.trigger(document.body, name, detail || {}));
  }));
  document.addEventListener("notice", (event) => notice(typeof event.detail === "string" ? { text: event.detail } : event.detail));

  // -- questions: what the server puts into #ask is shown, and forgotten when it is closed: it may hold a secret
  let askedFrom = "";
  const onAsk = (ask) => {
    if (ask.firstElementChild && !ask.open) { askedFrom = document.activeElement.id; ask.showModal(); }
    else if (!ask.firstElementChild && ask.open) ask.close();
    ask.querySelector("[autofocus]")?.focus();
  };
  document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target.id === "ask") onAsk(event.detail.target); });
  // The button that asked may have been renewed meanwhile: the browser can't give the focus back to it.
  const onAnswer = (ask) => {
    ask.replaceChildren();
    const at = document.activeElement;
    if (at === null || at === document.body) (document.getElementById(askedFrom) || document.getElementById("main")).focus();
  };
  document.addEventListener("close", (event) => { if (event.target.id === "ask") onAnswer(event.target); }, true);

  // -- what is done to rows
  const count = (form) => {
    const boxes = [...form.querySelectorAll("td.pick input")], chosen = boxes.filter((box) => box.checked).length;
    const shown = form.querySelector("[data-chosen]"), all = form.querySelector("[data-choose-all]");
    if (shown) shown.textContent = chosen ? `${chosen} chosen` : "None chosen";
    if (all) { all.checked = chosen > 0 && chosen === boxes.length; all.indeterminate = chosen > 0 && chosen < boxes.length; }
    form.querySelectorAll("[data-needs-chosen]").forEach((button) => { button.disabled = !chosen; });
  };
  const onChange = (event) => {
    const form = event.target.closest("[data-choosing]");
    if (!form) return;
    if (event.target.matches("[data-choose-all]")) form.querySelectorAll("td.pick input").forEach((box) => { box.checked = event.target.checked; });
    count(form);
  };
  const onClick = async (event) => {
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    // A field by its id, which stays marked for Ctrl+C, or the text itself.
    const field = document.getElementById(button.dataset.copy), text = field ? field.value : button.dataset.copy;
    field?.select();
    try { await navigator.clipboard.writeText(text); tell("Copied."); }
    catch { tell(field ? "Press Ctrl+C to copy." : `Your browser copies over https only: ${text}`); }
  };
  // What a refusal says, beside the form it was sent from.
  const onRefusal = (event) => {
    const { xhr, elt, requestConfig } = event.detail;
    if (requestConfig.verb === "get") return;
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    const said = [...page.querySelectorAll("[role=alert] p:not(:last-child)")].map((one) => one.textContent).join(" ") || "That didn't work.";
    const place = elt.closest("form")?.querySelector("[data-problem]");
    if (place) place.textContent = said;
    else if (!xhr.getResponseHeader("HX-Trigger")) tell(said);
  };
  // A list that renews itself leaves alone what somebody has chosen, marked or is typing.
  const isInUse = (part) => {
    const marked = getSelection(), at = document.activeElement;
    return part.querySelector("td.pick input:checked, dialog[open]") !== null
      || (part.contains(at) && at.matches("textarea, select, input:not([type=checkbox])"))
      || (marked !== null && !marked.isCollapsed && part.contains(marked.anchorNode));
  };
  // Nor does it swap away the button that was pressed before its answer is there: what that tells would be lost.
  let changing = 0;
  const isLeftAlone = (part, config) => part.matches("[data-live]")
    && config.triggeringEvent?.type !== "renew" && (changing > 0 || isInUse(part));
  const onRequest = (event) => {
    const { elt, requestConfig } = event.detail;
    if (requestConfig.verb !== "get") changing += 1;
    else if (isLeftAlone(elt, requestConfig)) event.preventDefault();
  };
  const onAnswered = (event) => { if (event.detail.requestConfig.verb !== "get") changing = Math.max(0, changing - 1); };
  let opened = [];
  const onSwap = (event) => {
    const { target, requestConfig } = event.detail;
    if (isLeftAlone(target, requestConfig)) event.detail.shouldSwap = false;
    opened = [...target.querySelectorAll("details[open][id]")].map((one) => one.id);
  };
  const onLoad = (event) => {
    const loaded = event.target;
    opened.forEach((id) => { const one = loaded.querySelector(`#${CSS.escape(id)}`); if (one) one.open = true; });
    loaded.querySelectorAll("[data-tail]").forEach((one) => { one.scrollTop = one.scrollHeight; });
    loaded.querySelectorAll("[data-choosing]").forEach(count);
  };
  // What was chosen has been done: the list may be renewed again.
  const onDone = () => {
    document.querySelectorAll("[data-choosing] input[type=checkbox]:checked").forEach((box) => { box.checked = false; });
    document.querySelectorAll("[data-choosing]").forEach(count);
  };
  document.addEventListener("renew", onDone);
  document.addEventListener("change", onChange);
  document.addEventListener("click", onClick);
  document.addEventListener("htmx:responseError", onRefusal);
  document.addEventListener("htmx:beforeRequest", onRequest);
  document.addEventListener("htmx:afterRequest", onAnswered);
  document.addEventListener("htmx:beforeSwap", onSwap);
  document.addEventListener("htmx:load", onLoad);

  // -- live or not: the stream is cut, or what a part of the page asks for isn't answered; and since when
  let isCut = false, isDown = false, fresh = new Date();
  const tellStale = () => {
    const shown = document.getElementById("stale"), is = isCut || isDown;
    if (!shown || shown.hidden !== is) return;
    const since = document.createElement("time");
    since.dateTime = fresh.toISOString();
    since.dataset.how = "clock";
    tellTime(since);
    shown.replaceChildren("Not live since ", since);
    shown.hidden = !is;
  };
  const cut = (is) => { isCut = is; tellStale(); };
  const down = (is) => { isDown = is; tellStale(); };
  document.addEventListener("htmx:sseError", () => cut(true));
  document.addEventListener("htmx:sseOpen", () => cut(false));
  document.addEventListener("htmx:sendError", () => down(true));
  document.addEventListener("htmx:responseError", ({ detail: { xhr, requestConfig } }) => {
    if (requestConfig.verb === "get" && xhr.status >= 500) down(true);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.successful) return;
    fresh = new Date();
    isCut = false;
    down(false);
  });
  document.addEventListener("htmx:load", (event) => { tellAll(event.target); drawAll(event.target); });
  document.addEventListener("keydown", onKey);
  document.addEventListener("DOMContentLoaded", () => {
    const said = sessionStorage.getItem("hh-notice");
    sessionStorage.removeItem("hh-notice");
    if (said) notice(JSON.parse(said));
    tellAll(document);
    drawAll(document);
    // On a phone the navigation is wider than the screen; scrollIntoView would have Tab begin there.
    const here = document.querySelector("nav a[aria-current]"), nav = here?.closest("nav");
    if (nav) nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
    document.getElementById("theme")?.addEventListener("click", switchTheme);
    setInterval(() => tellAll(document), 1000);
  });
  addEventListener("resize", () => drawAll(document, true));
})();
