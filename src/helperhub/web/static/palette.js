"use strict";
// The command palette: goes to a page, a helper or an execution, and does what the page at hand offers.
(() => {
  const palette = document.getElementById("palette");
  if (!palette) return;
  const input = palette.querySelector("input"), list = palette.querySelector("[role=listbox]"), said = palette.querySelector("[role=status]");
  const MOST_OWN = 14;
  let own = [], shown = [], chosen = 0, waiting = 0, asking = null;

  const textOf = (element) => (element.getAttribute("aria-label") || element.textContent).trim().replace(/\s+/g, " ");
  // What the page at hand offers as a whole; what belongs to a row is done there, where the row is seen.
  const isAction = (element) => !element.disabled && !element.closest("td, dialog, [hidden], details:not([open])") && element.offsetParent !== null && textOf(element).length > 1;
  const gather = () => [
    ...[...document.querySelectorAll("main button, main a.button, main a[download]")].filter(isAction)
      .map((element) => ({ kind: "Here", name: textOf(element), go: () => { element.focus(); element.click(); } })),
    ...[...document.querySelectorAll("nav a[data-key]")]
      .map((link) => ({ kind: "Page", name: textOf(link), note: `g ${link.dataset.key}`, go: () => link.click() })),
    { kind: "View", name: "Switch between light and dark", go: () => document.getElementById("theme").click() },
    { kind: "View", name: "Show the keys", note: "?", go: () => document.getElementById("keys").showModal() },
    { kind: "Session", name: "Sign out", go: () => document.querySelector("[data-sign-out]").click() },
  ];
  const fitting = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return own.filter((one) => words.every((word) => `${one.kind} ${one.name}`.toLowerCase().includes(word))).slice(0, text ? MOST_OWN : own.length);
  };

  const choose = (number) => {
    chosen = shown.length ? (number + shown.length) % shown.length : 0;
    [...list.children].forEach((row, at) => row.setAttribute("aria-selected", String(at === chosen)));
    const row = list.children[chosen];
    if (row) { input.setAttribute("aria-activedescendant", row.id); row.scrollIntoView({ block: "nearest" }); }
    else input.removeAttribute("aria-activedescendant");
  };
  const part = (name, text) => {
    const made = document.createElement("span");
    made.className = name;
    made.textContent = text;
    return made;
  };
  const show = (found) => {
    shown = found;
    list.replaceChildren(...found.map((one, at) => {
      const row = document.createElement("li");
      row.id = `palette-${at}`;
      row.setAttribute("role", "option");
      row.append(part("kind", one.kind), " ", part("what", one.name), " ", part("note", one.note || ""));
      row.addEventListener("click", () => run(one));
      return row;
    }));
    input.setAttribute("aria-expanded", String(found.length > 0));
    said.textContent = found.length ? `${found.length} found` : "Nothing fits.";
    choose(0);
  };
  const run = (one) => {
    palette.close();
    one.go();
  };

  const ask = async (text) => {
    asking = new AbortController();
    try {
      const answer = await fetch(`${palette.dataset.from}?q=${encodeURIComponent(text)}`, { headers: { "HX-Request": "true" }, signal: asking.signal });
      const to = answer.headers.get("HX-Redirect");
      if (to) { location.href = to; return; }
      if (!answer.ok) throw new Error(String(answer.status));
      const { found } = await answer.json();
      const before = chosen;
      show([...fitting(text), ...found.map((one) => ({ ...one, go: () => { location.href = one.path; } }))]);
      choose(before);
    } catch (error) {
      if (error.name !== "AbortError") said.textContent = "Helpers and executions can't be asked for now.";
    }
  };
  const onInput = () => {
    const text = input.value.trim();
    clearTimeout(waiting);
    asking?.abort();
    show(fitting(text));
    if (text) waiting = setTimeout(() => ask(text), 150);
  };
  const open = () => {
    if (document.querySelector("dialog[open]")) return;
    own = gather();
    input.value = "";
    palette.showModal();
    onInput();
    input.focus();
  };

  input.addEventListener("input", onInput);
  input.addEventListener("keydown", (event) => {
    if (!palette.open) return;
    const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, PageDown: Math.min(chosen + 8, shown.length - 1), PageUp: Math.max(chosen - 8, 0) }[event.key];
    if (to !== undefined) { event.preventDefault(); choose(to); }
    else if (event.key === "Enter" && !event.isComposing && shown[chosen]) { event.preventDefault(); run(shown[chosen]); }
  });
  palette.addEventListener("close", () => { clearTimeout(waiting); asking?.abort(); });
  palette.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
  document.getElementById("palette-open")?.addEventListener("click", open);
  document.addEventListener("keydown", (event) => {
    const isChord = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
    // Just closed, its input may have the focus still.
    const isTyping = event.target.closest?.("input, textarea, select, dialog") && (palette.open || !palette.contains(event.target));
    if (isChord && palette.open) { event.preventDefault(); palette.close(); }
    else if (isChord || (event.key === ":" && !isTyping && !event.ctrlKey && !event.metaKey)) { event.preventDefault(); open(); }
  });
})();
