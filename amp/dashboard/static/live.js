// Regions follow what they show: /live tells versions by topic, and regions whose topic has another one are
// fetched again, together. Without this script the page is as good, and as old as its last load.

const VERSIONS = JSON.parse(document.body.dataset.live || "{}");
const state = document.querySelector("[data-live-state]");
let source;
let busy = Promise.resolve();

function say(word) {
  if (!state) return;
  state.hidden = false;
  state.dataset.liveState = word;
  state.textContent = word === "live" ? "Live" : "Reconnecting";
}

function listen() {
  if (source || document.hidden) return;
  source = new EventSource("/live");
  source.onopen = () => say("live");
  source.onerror = () => {
    say("away");
    if (source && source.readyState === EventSource.CLOSED) { // refused: the session is over
      source = null;
      location.reload();
    }
  };
  source.addEventListener("over", () => location.reload());
  source.onmessage = (event) => heard(JSON.parse(event.data));
}

function hush() {
  if (source) source.close();
  source = null;
}

function heard(versions) {
  const changed = Object.keys(versions).filter((topic) => versions[topic] !== VERSIONS[topic]);
  Object.assign(VERSIONS, versions);
  const told = [...document.querySelectorAll("[data-region]")].filter((region) =>
    region.dataset.topics.split(" ").some((topic) => changed.includes(topic)));
  if (told.length) busy = busy.then(() => refresh(told)).catch(() => say("away"));
}

async function refresh(regions) {
  const names = regions.map((region) => region.dataset.region).join(" ");
  const answer = await fetch(location.href, { headers: { "Amp-Region": names } });
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return undefined;
  const parts = await answer.json();
  for (const region of regions) renew(region, parts[region.dataset.region]);
  return undefined;
}

function busyWith(region) { // somebody is at work in it
  return region.querySelector("form :focus, [data-zoomed]") !== null;
}

function renew(region, text) {
  if (busyWith(region)) {
    region.dataset.behind = "";
    return;
  }
  delete region.dataset.behind;
  const kept = remember(region);
  region.innerHTML = text;
  restore(region, kept);
  region.dispatchEvent(new CustomEvent("region", { bubbles: true }));
}

function remember(region) {
  const within = [...region.querySelectorAll("a, button, summary, [tabindex]")];
  return {
    open: [...region.querySelectorAll("details[open][id]")].map((each) => each.id),
    scrolled: [...region.querySelectorAll(".scroll")].map((each) => each.scrollLeft),
    focus: within.indexOf(document.activeElement),
  };
}

function restore(region, kept) {
  for (const id of kept.open) document.getElementById(id)?.setAttribute("open", "");
  region.querySelectorAll(".scroll").forEach((each, number) => { each.scrollLeft = kept.scrolled[number] || 0; });
  if (kept.focus >= 0) region.querySelectorAll("a, button, summary, [tabindex]")[kept.focus]?.focus();
}

function catchUp() { // what was kept from those that somebody was at work in
  const behind = [...document.querySelectorAll("[data-behind]")].filter((region) => !busyWith(region));
  if (behind.length) busy = busy.then(() => refresh(behind)).catch(() => say("away"));
}

for (const left of ["focusout", "unzoomed"]) {
  document.addEventListener(left, () => setTimeout(catchUp)); // by then it is known where the focus is
}
document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
addEventListener("pagehide", hush);
addEventListener("pageshow", listen);
if (document.querySelector("[data-region]")) listen();
