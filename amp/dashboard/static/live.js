// Regions follow what they show: /live tells versions by topic, and a region whose topic has another one is
// fetched again, alone. Without this script the page is as good, and as old as its last load.

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
  for (const region of document.querySelectorAll("[data-region]")) {
    if (region.dataset.topics.split(" ").some((topic) => changed.includes(topic))) {
      busy = busy.then(() => refresh(region)).catch(() => say("away"));
    }
  }
}

async function refresh(region) {
  const answer = await fetch(location.href, { headers: { "Amp-Region": region.dataset.region } });
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return undefined;
  const text = await answer.text();
  if (region.querySelector("form :focus, [data-zoomed]")) return undefined; // somebody is at work in it
  const kept = remember(region);
  region.innerHTML = text;
  restore(region, kept);
  region.dispatchEvent(new CustomEvent("region", { bubbles: true }));
  return undefined;
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

document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
addEventListener("pagehide", hush);
addEventListener("pageshow", listen);
if (document.querySelector("[data-region]")) listen();
