// Follows what goes on, and moves about by keys. Without it the page is whole, and is reloaded.
"use strict";

const say = (text) => { document.getElementById("said").textContent = text; };

// What the server sent of an element, whatever was opened in it since.
const sent = new WeakMap();
const keep = (root) => {
  for (const list of root.querySelectorAll("[data-keyed]")) {
    for (const child of list.children) sent.set(child, child.outerHTML);
  }
};

// Takes the rows of a list over into another: those that are the same stay as they are, with the
// focus and what is open in them. Returns how many are new.
const merge = (old, fresh) => {
  const known = new Map([...old.children].map((child) => [child.id, child]));
  let added = 0;
  let place = old.firstElementChild;
  for (const child of [...fresh.children]) {
    const html = child.outerHTML;
    let mine = known.get(child.id);
    known.delete(child.id);
    if (!mine) {
      added += 1;
      mine = document.importNode(child, true);
      sent.set(mine, html);
      old.insertBefore(mine, place);
      continue;
    }
    if (sent.get(mine) !== html) {
      const next = document.importNode(child, true);
      sent.set(next, html);
      const had = mine.contains(document.activeElement);
      const open = mine.querySelector("details.detail[open]");
      if (place === mine) place = mine.nextElementSibling;
      mine.replaceWith(next);
      if (open) next.querySelector("details.detail")?.setAttribute("open", "");
      if (had) next.focus({ preventScroll: true });
      mine = next;
    }
    if (mine === place) place = place.nextElementSibling;
    else old.insertBefore(mine, place);
  }
  for (const gone of known.values()) gone.remove();
  return added;
};

// Puts a part of the page in the place of what it was.
const swap = (region, html) => {
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  const list = region.querySelector("[data-keyed]");
  const next = fresh.querySelector("[data-keyed]");
  let added = 0;
  if (list && next) {
    added = merge(list, next);
    next.replaceWith(list.cloneNode(false));
    // All around the list is replaced; the list itself stays in the document, and so does the focus.
    const mine = path(region, list);
    const theirs = path(fresh, fresh.querySelector("[data-keyed]"));
    for (let at = 0; at < Math.min(mine.length, theirs.length); at += 1) around(mine[at], theirs[at]);
  } else {
    region.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
    keep(region);
    added = region.querySelectorAll("[data-row]").length;
  }
  return added;
};

// The elements from below a root down to this one.
const path = (root, element) => {
  const found = [];
  for (let at = element; at && at !== root; at = at.parentElement) found.unshift(at);
  return found;
};

// Replaces the siblings of an element by those of another.
const around = (mine, theirs) => {
  const same = (node) => node.outerHTML;
  const before = [...mine.parentElement.children];
  const after = [...theirs.parentElement.children];
  if (before.length === after.length && before.every((node, at) => node === mine || same(node) === same(after[at]))) return;
  const focused = before.find((node) => node !== mine && node.contains(document.activeElement));
  if (focused) return;
  for (const node of before) if (node !== mine) node.remove();
  let isBehind = false;
  for (const node of after) {
    if (node === theirs) isBehind = true;
    else if (isBehind) mine.parentElement.append(document.importNode(node, true));
    else mine.parentElement.insertBefore(document.importNode(node, true), mine);
  }
};

const follow = (region) => {
  let etag = region.dataset.etag;
  const every = Number(region.dataset.every);
  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(region.dataset.live, { headers: { "If-None-Match": etag }, cache: "no-store" });
        if (answer.status === 401) return say("You are signed out. Reload the page to sign in.");
        if (answer.status === 200) {
          etag = answer.headers.get("etag");
          const added = swap(region, await answer.text());
          if (added > 0) say(`${added} ${region.dataset.new}${added === 1 ? "" : "s"}`);
        }
        if (answer.headers.get("x-jetway-live") === "no") return undefined;
      } catch {
        // It is tried again: Jetway may be starting anew.
      }
    }
    setTimeout(look, every);
    return undefined;
  };
  setTimeout(look, every);
};

const rows = () => [...document.querySelectorAll("[data-row]")];
const move = (by) => {
  const all = rows();
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
  all[next]?.focus({ preventScroll: true });
  all[next]?.scrollIntoView({ block: "nearest" });
};

const open = (row) => {
  if (row.matches("details")) { row.open = !row.open; return; }
  const link = row.querySelector("[data-open]");
  if (link) { link.click(); return; }
  const details = row.querySelector("details.detail");
  if (details) details.open = !details.open;
};

const places = { 1: "/runs", 2: "/budgets", 3: "/feedback", 4: "/policies" };
const keys = document.getElementById("keys");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = event.target;
  if (target.matches("input, select, textarea")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (!keys || keys.open) return;
  const row = target.matches("[data-row]") ? target : null;
  const filter = document.querySelector("[data-filter]");
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "Enter" && row) open(row);
  else if (event.key === "/" && filter) filter.focus();
  else if (event.key === "u") document.querySelector("[data-up]")?.click();
  else if (event.key === "?") keys.showModal();
  else if (places[event.key]) location.assign(places[event.key]);
  else return;
  event.preventDefault();
});

// A row of a table opens wherever it is clicked, but where text in it was being marked.
document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-row]");
  if (row && !event.target.closest("a, summary") && getSelection().isCollapsed) open(row);
});

const button = document.getElementById("keys-open");
if (button) {
  button.hidden = false;
  button.addEventListener("click", () => keys.showModal());
}
document.documentElement.classList.add("scripted");
keep(document);
for (const region of document.querySelectorAll("[data-live]")) follow(region);
