// The page without this is whole: it only stays current, filters, and gives orders to whoever has the token.
"use strict";
(() => {
  const root = document.documentElement, find = (id) => document.getElementById(id);
  root.classList.add("js");
  const live = find("live"), filter = find("filter"), said = find("said"), main = document.querySelector("main");
  let busy = false, again = false, token = "";

  // Takes over what is different, piece by piece, so that what is open, focused or selected stays so.
  const take = (old, fresh) => {
    const before = new Map([...old.children].filter((e) => e.id).map((e) => [e.id, e]));
    const same = [...fresh.children].every((e) => e.id) && before.size === old.children.length;
    if (!same) { old.replaceWith(fresh); return; }
    let place = old.firstElementChild;
    for (const next of [...fresh.children]) {
      const here = before.get(next.id);
      before.delete(next.id);
      if (!here) { old.insertBefore(next, place); continue; }
      if (here !== place) old.insertBefore(here, place); else place = place.nextElementSibling;
      if (here.dataset.part !== undefined && next.dataset.part !== undefined) { take(here, next); continue; }
      if (here.tagName === "DETAILS") { next.open = here.open; next.hidden = here.hidden; }
      if (!here.isEqualNode(next) && !here.contains(document.activeElement)) { here.replaceWith(next); }
    }
    before.forEach((e) => e.remove());
  };

  const sift = () => {
    if (!filter) return;
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    document.querySelectorAll("details.vs").forEach((e) => {
      const text = e.dataset.find || "";
      e.hidden = !words.every((word) => text.includes(word));
    });
    document.querySelectorAll("details.group").forEach((e) => {
      const shown = e.querySelector("details.vs:not([hidden])");
      e.hidden = words.length > 0 && !shown;
      if (words.length > 0 && shown) e.open = true;
    });
  };

  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const [asof, now] = [find("asof"), page.getElementById("asof")];
        if (asof && now) { asof.textContent = now.textContent; asof.setAttribute("datetime", now.getAttribute("datetime")); }
        const fresh = page.querySelector("main");
        for (const part of [...fresh.children]) {
          const here = part.id && find(part.id);
          if (here && here.dataset.part !== undefined) take(here, part);
          else if (here) { if (!here.isEqualNode(part)) here.replaceWith(part); }
        }
        sift();
      }
    } catch { /* The stream says that it is lost. */ }
    // Not more often than anyone reads.
    setTimeout(() => { busy = false; if (again) { again = false; refresh(); } }, 1000);
  };

  if (filter) filter.addEventListener("input", sift);
  const stream = new EventSource("/events");
  const state = (name, text) => { live.dataset.state = name; live.textContent = text; };
  stream.addEventListener("open", () => state("live", "live"));
  stream.addEventListener("error", () => state("lost", "no connection, trying again"));
  stream.addEventListener("status", refresh);
  const timer = setInterval(refresh, 15000);
  addEventListener("pagehide", () => { stream.close(); clearInterval(timer); });

  // Orders: the token stays in this page and nowhere else.
  const orders = find("orders");
  const tell = (text) => { said.textContent = text; clearTimeout(tell.timer); tell.timer = setTimeout(() => { said.textContent = ""; }, 8000); };
  if (orders) orders.addEventListener("submit", (event) => {
    event.preventDefault();
    token = orders.elements.token.value.trim();
    root.classList.toggle("control", token !== "");
    tell(token ? "Orders are sent with this token until the page is closed." : "No orders any more.");
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-wish]");
    if (!button || !token) return;
    const { wish, server, of } = button.dataset;
    if (!confirm(wish + " " + server + " of " + of + "?")) return;
    const order = { server: { server, of, wish: wish === "drain" ? { drain: { within_s: null } } : wish } };
    try {
      const answer = await fetch("/api/v1/orders", {
        method: "POST",
        headers: { "Content-Type": "application/json", "Authorization": "Bearer " + token },
        body: JSON.stringify(order),
      });
      tell((await answer.json()).text);
      refresh();
    } catch (error) { tell("The order did not arrive: " + error); }
  });
})();
