// Keeps the live part of a page fresh while somebody looks at it. Without this file the refresh link does the same.
(() => {
  const live = document.getElementById("live");
  if (!live) return;
  const EVERY_MS = 5000;
  let shown = null;
  const refresh = async () => {
    // Somebody is using a button in it: it must not vanish under the finger.
    if (document.hidden || live.contains(document.activeElement)) return;
    try {
      const answer = await fetch(live.dataset.live, { redirect: "error", credentials: "same-origin" });
      if (!answer.ok) return;
      const text = await answer.text();
      if (text !== shown) live.innerHTML = shown = text;
    } catch {
      // The box is away; the page keeps what it has, and the next try may succeed.
    }
  };
  setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", refresh);
})();
