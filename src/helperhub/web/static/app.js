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
  const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const tell = (element) => {
    const at = new Date(element.dateTime), how = element.dataset.how, left = (at - Date.now()) / 1000;
    element.title = `${full.format(at)} (${at.toISOString()})`;
    if (how === "clock") element.textContent = clock.format(at);
    else if (how === "full") element.textContent = full.format(at);
    else if (how === "until" && left > 0) element.textContent = `in ${inWords(left)}`;
    else element.textContent = left > 0 ? `in ${inWords(left)}` : `${inWords(-left)} ago`;
  };
  const tellAll = (within) => within.querySelectorAll("time[data-how]").forEach(tell);

  // -- charts
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const draw = (element) => {
    const given = JSON.parse(element.dataset.chart);
    const starts = given.start.map((text) => Date.parse(text) / 1000);
    const line = (label, name) => ({ label, stroke: color(name), fill: color(`${name}-ground`), width: 1.5, points: { show: false } });
    const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } };
    element.replaceChildren();
    new uPlot({
      width: element.clientWidth, height: 220, cursor: { y: false },
      series: [{}, line("success", "--good"), line("error", "--bad"), line("expired", "--warn")],
      axes: [axis, axis],
    }, [starts, given.success, given.error, given.other], element);
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

  // -- questions: what the server puts into #ask is shown, and forgotten when it is closed: it may hold a secret
  const notice = (text) => {
    const shown = document.getElementById("notice");
    shown.textContent = text;
    clearTimeout(notice.timer);
    notice.timer = setTimeout(() => { shown.textContent = ""; }, 8000);
  };
  const onAsk = (ask) => {
    if (ask.firstElementChild && !ask.open) ask.showModal();
    else if (!ask.firstElementChild && ask.open) ask.close();
    ask.querySelector("[autofocus]")?.focus();
  };
  const onClick = (event) => {
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
    const copied = event.target.closest("[data-copy]");
    if (!copied) return;
    const field = document.getElementById(copied.dataset.copy);
    field.select();
    navigator.clipboard?.writeText(field.value).then(() => notice("Copied."), () => notice("Press Ctrl+C to copy."));
  };
  document.addEventListener("notice", (event) => notice(event.detail.value));
  document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target.id === "ask") onAsk(event.detail.target); });
  document.addEventListener("close", (event) => { if (event.target.id === "ask") event.target.replaceChildren(); }, true);
  document.addEventListener("click", onClick);

  // -- live or not
  const stale = (is) => { const shown = document.getElementById("stale"); if (shown) shown.hidden = !is; };
  document.addEventListener("htmx:sseError", () => stale(true));
  document.addEventListener("htmx:sseOpen", () => stale(false));
  document.addEventListener("htmx:sendError", () => stale(true));
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) stale(false); });
  document.addEventListener("htmx:load", (event) => { tellAll(event.target); drawAll(event.target); });
  document.addEventListener("keydown", onKey);
  document.addEventListener("DOMContentLoaded", () => {
    tellAll(document);
    drawAll(document);
    document.getElementById("theme")?.addEventListener("click", switchTheme);
    setInterval(() => tellAll(document), 1000);
  });
  addEventListener("resize", () => drawAll(document, true));
})();
