// Loads what keeps a film's position and knows its keys, once there is a film: from the first, or when
// the download has completed.

const load = () => {
  const player = document.querySelector("[data-player]");
  if (player) import(player.dataset.player);
};

new MutationObserver(load).observe(document.getElementById("main"), { childList: true });
load();
